# The root of every region, against stand-ins that know the providers' schemas.

variables {
  region = "eu-central"
  addons = {
    aws-ebs-csi-driver = "v1.60.0-eksbuild.1"
    coredns            = "v1.13.2-eksbuild.1"
    kube-proxy         = "v1.36.0-eksbuild.2"
    vpc-cni            = "v1.21.1-eksbuild.1"
  }
  access = {
    platform = { principal_arn = "arn:aws:iam::111122223333:role/platform", may = "admin" }
  }
  health_check_id = "11111111-2222-3333-4444-555555555555"
}

run "a_region_is_made" {
  assert {
    condition = (
      output.region.cloud_region == "eu-central-1" && output.region.jurisdiction == "eu"
    )
    error_message = "another region"
  }
  assert {
    condition = (
      output.addresses.sql ==
      "cockroachdb-public.database-eu-central.svc.cluster.local:26257" &&
      startswith(output.backups.bucket, "meridian-") &&
      endswith(output.backups.bucket, "-eu-central-backup")
    )
    error_message = "nodes would look in the wrong place"
  }
  assert {
    condition     = keys(output.ways_out) == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    error_message = "a way out per zone"
  }
}

run "the_state_of_one_region_is_not_taken_for_another" {
  command = plan

  variables {
    region = "us-east"
  }

  expect_failures = [terraform_data.whose]
}

run "a_region_without_a_file_is_refused" {
  command = plan

  variables {
    region = "atlantis"
  }

  expect_failures = [var.region]
}

run "a_database_in_between_is_refused" {
  command = plan

  variables {
    database_mode = "both"
  }

  expect_failures = [var.database_mode]
}
