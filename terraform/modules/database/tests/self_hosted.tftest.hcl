# The nodes of one region, planned and applied against the schemas of the providers alone.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/backup" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mocked" }
  }
}
mock_provider "cockroach" {}
mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  mode = "self_hosted"
  region = {
    name         = "eu-west"
    cloud_region = "eu-west-1"
    locality     = "eu-west"
    jurisdiction = "eu"
    network      = { zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
    capacity     = { database_nodes = 3 }
  }
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
    us-east = {
      name         = "us-east"
      cloud_region = "us-east-1"
      locality     = "us-east"
      jurisdiction = "us"
      primary      = false
      network      = { cidr = "10.32.0.0/16" }
      capacity     = { database_nodes = 3 }
    }
  }
  cluster = {
    security_group_id = "sg-0123"
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/ABC"
    oidc_issuer       = "oidc.example/id/ABC"
    key_arn           = "arn:aws:kms:eu-west-1:111122223333:key/volumes"
  }
  certificate_authority = { certificate = "certificate", key = "key" }
}

run "a_node_says_where_it_is" {
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).conf.locality ==
      "region=eu-west,zone=$${ZONE}"
    )
    error_message = "rows would go astray"
  }
  assert {
    condition = yamldecode(helm_release.cockroachdb[0].values[0]).statefulset.env == [{
      name      = "ZONE"
      valueFrom = { fieldRef = { fieldPath = "metadata.labels['topology.kubernetes.io/zone']" } }
    }]
    error_message = "no node knows its zone"
  }
  assert {
    condition     = yamldecode(helm_release.cockroachdb[0].values[0]).tls.enabled
    error_message = "nodes talk in the clear"
  }
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).conf.log.config.sinks.stderr.redact
    )
    error_message = "values of rows reach the log"
  }
}

run "nodes_spread_over_zones_and_leave_one_by_one" {
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).statefulset.topologySpreadConstraints == {
        maxSkew           = 1
        topologyKey       = "topology.kubernetes.io/zone"
        whenUnsatisfiable = "DoNotSchedule"
      }
    )
    error_message = "a zone could hold a quorum"
  }
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).statefulset.budget.maxUnavailable == 1 &&
      yamldecode(helm_release.cockroachdb[0].values[0]).statefulset.replicas == 3
    )
    error_message = "two nodes could be away at once"
  }
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0])
      .statefulset.terminationGracePeriodSeconds == 300
    )
    error_message = "a node is killed before it has drained"
  }
  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).statefulset.tolerations[0].value ==
      "database"
    )
    error_message = "the machines of the database are closed to it"
  }
}

run "a_region_joins_the_primary_and_lets_all_others_in" {
  assert {
    condition = yamldecode(helm_release.cockroachdb[0].values[0]).conf.join == concat(
      [
        for n in [0, 1, 2] :
        "cockroachdb-${n}.cockroachdb.database-eu-west.svc.cluster.local:26257"
      ],
      [
        for n in [0, 1, 2] :
        "cockroachdb-${n}.cockroachdb.database-eu-central.svc.cluster.local:26257"
      ],
    )
    error_message = "its own, then the primary's"
  }
  assert {
    condition = {
      for name, it in aws_vpc_security_group_ingress_rule.peer : name => it.cidr_ipv4
    } == { eu-central = "10.16.0.0/16", us-east = "10.32.0.0/16" }
    error_message = "nodes of a region are locked out, or somebody else is let in"
  }
  assert {
    condition = toset([
      for it in yamldecode(helm_release.cockroachdb[0].values[0]).networkPolicy.ingress.grpc :
      try(it.ipBlock.cidr, it.namespaceSelector.matchLabels["kubernetes.io/metadata.name"])
    ]) == toset(["meridian", "10.16.0.0/16", "10.32.0.0/16"])
    error_message = "inside the cluster the same people are let in"
  }
}

run "the_primary_asks_another_so_that_it_never_starts_anew" {
  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      locality     = "eu-central"
      jurisdiction = "eu"
      network      = { zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
      capacity     = { database_nodes = 3 }
    }
  }

  assert {
    condition = (
      yamldecode(helm_release.cockroachdb[0].values[0]).conf.join[3] ==
      "cockroachdb-0.cockroachdb.database-eu-west.svc.cluster.local:26257"
    )
    error_message = "without a list the chart would initialise a second cluster"
  }
}

run "backups_stay_in_the_region_and_end" {
  assert {
    condition = alltrue([
      for region in [
        aws_kms_key.backup[0].region, aws_kms_alias.backup[0].region,
        aws_s3_bucket.backup[0].region, aws_s3_bucket_policy.backup[0].region,
        aws_s3_bucket_versioning.backup[0].region,
        aws_s3_bucket_public_access_block.backup[0].region,
        aws_s3_bucket_lifecycle_configuration.backup[0].region,
        aws_s3_bucket_server_side_encryption_configuration.backup[0].region,
        aws_vpc_security_group_ingress_rule.peer["us-east"].region,
      ] : region == "eu-west-1"
    ])
    error_message = "a resource says no cloud region, or another one"
  }
  assert {
    condition = (
      aws_s3_bucket.backup[0].tags["meridian:jurisdiction"] == "eu" &&
      aws_s3_bucket.backup[0].tags["meridian:personal-data"] == "stored"
    )
    error_message = "a backup holds what the database holds"
  }
  assert {
    condition     = output.backup_gone_after_days == 37
    error_message = "the receipt of an erasure would promise too much"
  }
}

run "no_node_reads_backups_under_another_law" {
  assert {
    condition = one([
      for it in jsondecode(aws_iam_role_policy.backup[0].policy).Statement :
      it.Resource if it.Sid == "Read"
      ]) == [
      "arn:aws:s3:::meridian-111122223333-eu-central-backup/*",
      "arn:aws:s3:::meridian-111122223333-eu-west-backup/*",
    ]
    error_message = "reading crosses the law"
  }
  assert {
    condition = (
      jsondecode(aws_iam_role.backup[0].assume_role_policy)
      .Statement[0].Condition.StringEquals["oidc.example/id/ABC:sub"] ==
      "system:serviceaccount:database-eu-west:cockroachdb"
    )
    error_message = "another service account could act for the nodes"
  }
}

run "rows_outlive_the_release_and_say_whose_they_are" {
  assert {
    condition = (
      kubernetes_storage_class_v1.this[0].reclaim_policy == "Retain" &&
      kubernetes_storage_class_v1.this[0].parameters.encrypted == "true" &&
      kubernetes_storage_class_v1.this[0].parameters.kmsKeyId == var.cluster.key_arn &&
      kubernetes_storage_class_v1.this[0].parameters.tagSpecification_1 ==
      "meridian:jurisdiction=eu"
    )
    error_message = "a volume is lost, open or nobody's"
  }
  assert {
    condition = (
      kubernetes_namespace_v1.this[0].metadata[0].labels["meridian/personal-data"] == "stored"
    )
    error_message = "the namespace holds personal data"
  }
  assert {
    condition = !contains(
      keys(coalesce(kubernetes_secret_v1.certificate_authority[0].data, {})), "ca.key"
    )
    error_message = "the authority's key is in the state"
  }
}

run "nodes_without_a_region_are_refused" {
  command = plan

  variables {
    region = null
  }

  expect_failures = [var.region]
}

run "nodes_without_a_cluster_are_refused" {
  command = plan

  variables {
    cluster = null
  }

  expect_failures = [var.cluster]
}

run "nodes_without_an_authority_are_refused" {
  command = plan

  variables {
    certificate_authority = null
  }

  expect_failures = [var.certificate_authority]
}

run "a_region_that_is_not_listed_is_refused" {
  command = plan

  variables {
    region = {
      name         = "sa-east"
      cloud_region = "sa-east-1"
      locality     = "sa-east"
      jurisdiction = "br"
      network      = { zones = ["sa-east-1a", "sa-east-1b", "sa-east-1c"] }
      capacity     = { database_nodes = 3 }
    }
  }

  expect_failures = [var.region]
}

run "four_nodes_over_three_zones_are_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-west"
      cloud_region = "eu-west-1"
      locality     = "eu-west"
      jurisdiction = "eu"
      network      = { zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
      capacity     = { database_nodes = 4 }
    }
  }

  expect_failures = [var.region]
}

run "two_zones_are_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-west"
      cloud_region = "eu-west-1"
      locality     = "eu-west"
      jurisdiction = "eu"
      network      = { zones = ["eu-west-1a", "eu-west-1b"] }
      capacity     = { database_nodes = 4 }
    }
  }

  expect_failures = [var.region]
}

run "a_version_whose_replicas_leave_home_is_refused" {
  command = plan

  variables {
    cockroach_version = "26.1.5"
  }

  expect_failures = [var.cockroach_version]
}

run "a_chart_without_a_pin_is_refused" {
  command = plan

  variables {
    chart = { repository = "https://charts.cockroachdb.com", version = ">=20" }
  }

  expect_failures = [var.chart]
}

run "cpus_that_starve_are_refused" {
  command = plan

  variables {
    node = { cpus = 16, memory_gib = 32, storage_gib = 250 }
  }

  expect_failures = [var.node]
}

run "a_volume_too_small_is_refused" {
  command = plan

  variables {
    node = { cpus = 6, memory_gib = 26, storage_gib = 10 }
  }

  expect_failures = [var.node]
}

run "backups_are_no_archive_of_the_erased" {
  command = plan

  variables {
    backup_days = 365
  }

  expect_failures = [var.backup_days]
}
