# The cluster that Cockroach Labs runs, planned against the schemas of the providers alone.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
}
mock_provider "cockroach" {}
mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  mode = "cloud"
  regions = {
    us-east = {
      name         = "us-east"
      cloud_region = "us-east-1"
      locality     = "us-east"
      jurisdiction = "us"
      primary      = false
      network      = { cidr = "10.32.0.0/16" }
      capacity     = { database_nodes = 6 }
    }
    eu-central = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      locality     = "eu-central"
      jurisdiction = "eu"
      primary      = true
      network      = { cidr = "10.16.0.0/16" }
      capacity     = { database_nodes = 3 }
    }
    eu-west = {
      name         = "eu-west"
      cloud_region = "eu-west-1"
      locality     = "eu-west"
      jurisdiction = "eu"
      primary      = false
      network      = { cidr = "10.17.0.0/16" }
      capacity     = { database_nodes = 3 }
    }
  }
}

run "regions_are_known_by_name_in_the_order_of_names" {
  command = plan

  assert {
    condition = [
      for it in cockroach_cluster.this[0].regions : "${it.name} ${it.node_count}"
    ] == ["eu-central-1 3", "eu-west-1 3", "us-east-1 6"]
    error_message = "the order of files, or an index, decides"
  }
  assert {
    condition = (
      cockroach_cluster.this[0].plan == "ADVANCED" &&
      cockroach_cluster.this[0].cockroach_version == "v26.2" &&
      cockroach_cluster.this[0].delete_protection
    )
    error_message = "not the cluster that was meant"
  }
  assert {
    condition     = cockroach_database.meridian[0].name == "meridian"
    error_message = "migrate finds no database"
  }
  assert {
    condition     = length(helm_release.cockroachdb) == 0 && length(aws_s3_bucket.backup) == 0
    error_message = "what is one for all makes nothing in a region"
  }
}

run "under_several_laws_the_service_keeps_no_backups" {
  command = plan

  assert {
    condition     = !cockroach_cluster.this[0].backup_config.enabled
    error_message = "it would draw their region by lot"
  }
}

run "under_one_law_it_may" {
  command = plan

  variables {
    regions = {
      eu-central = {
        name         = "eu-central"
        cloud_region = "eu-central-1"
        locality     = "eu-central"
        jurisdiction = "eu"
        primary      = true
        network      = { cidr = "10.16.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
      eu-west = {
        name         = "eu-west"
        cloud_region = "eu-west-1"
        locality     = "eu-west"
        jurisdiction = "eu"
        primary      = false
        network      = { cidr = "10.17.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
    }
  }

  assert {
    condition     = cockroach_cluster.this[0].backup_config.enabled
    error_message = "every region of it is under the same law"
  }
}

run "a_region_has_the_bucket_of_its_backups_and_no_cluster" {
  command = plan

  variables {
    region = {
      name         = "us-east"
      cloud_region = "us-east-1"
      locality     = "us-east"
      jurisdiction = "us"
      network      = { zones = ["us-east-1a", "us-east-1b", "us-east-1c"] }
      capacity     = { database_nodes = 6 }
    }
    backup_writers = ["arn:aws:iam::444455556666:role/crl-dr-store-user-1"]
  }

  assert {
    condition     = length(cockroach_cluster.this) == 0 && length(helm_release.cockroachdb) == 0
    error_message = "a second cluster"
  }
  assert {
    condition = (
      aws_s3_bucket.backup[0].bucket == "meridian-111122223333-us-east-backup" &&
      aws_s3_bucket.backup[0].region == "us-east-1"
    )
    error_message = "the bucket lies elsewhere"
  }
  assert {
    condition = (
      jsondecode(aws_iam_role.backup[0].assume_role_policy).Statement[0].Principal.AWS ==
      ["arn:aws:iam::444455556666:role/crl-dr-store-user-1"]
    )
    error_message = "somebody else could write"
  }
}

run "a_region_whose_backups_nobody_writes_is_refused" {
  command = plan

  variables {
    region = {
      name         = "us-east"
      cloud_region = "us-east-1"
      locality     = "us-east"
      jurisdiction = "us"
      network      = { zones = ["us-east-1a", "us-east-1b", "us-east-1c"] }
      capacity     = { database_nodes = 6 }
    }
  }

  expect_failures = [var.backup_writers]
}

run "two_primaries_are_refused" {
  command = plan

  variables {
    regions = {
      eu-central = {
        name         = "eu-central"
        cloud_region = "eu-central-1"
        locality     = "eu-central"
        jurisdiction = "eu"
        primary      = true
        network      = { cidr = "10.16.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
      eu-west = {
        name         = "eu-west"
        cloud_region = "eu-west-1"
        locality     = "eu-west"
        jurisdiction = "eu"
        primary      = true
        network      = { cidr = "10.17.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
    }
  }

  expect_failures = [var.regions]
}

run "two_regions_in_one_locality_are_refused" {
  command = plan

  variables {
    regions = {
      eu-central = {
        name         = "eu-central"
        cloud_region = "eu-central-1"
        locality     = "eu"
        jurisdiction = "eu"
        primary      = true
        network      = { cidr = "10.16.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
      eu-west = {
        name         = "eu-west"
        cloud_region = "eu-west-1"
        locality     = "eu"
        jurisdiction = "eu"
        primary      = false
        network      = { cidr = "10.17.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
    }
  }

  expect_failures = [var.regions]
}

run "a_region_under_another_name_is_refused" {
  command = plan

  variables {
    regions = {
      eu-north = {
        name         = "eu-central"
        cloud_region = "eu-central-1"
        locality     = "eu-central"
        jurisdiction = "eu"
        primary      = true
        network      = { cidr = "10.16.0.0/16" }
        capacity     = { database_nodes = 3 }
      }
    }
  }

  expect_failures = [var.regions]
}

run "a_third_way_to_run_it_is_refused" {
  command = plan

  variables {
    mode = "serverless"
  }

  expect_failures = [var.mode]
}
