# The cluster of a region, planned against the schema of the provider alone.

mock_provider "aws" {
  mock_resource "aws_eks_cluster" {
    defaults = {
      arn      = "arn:aws:eks:eu-central-1:111122223333:cluster/meridian-eu-central"
      endpoint = "https://abc.gr7.eu-central-1.eks.amazonaws.com"
      identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-central-1.amazonaws.com/id/ABC" }] }]
      # "certificate", as the cloud gives it.
      certificate_authority = [{ data = "Y2VydGlmaWNhdGU=" }]
    }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/1234" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/mocked" }
  }
}

variables {
  region = {
    name         = "eu-central"
    cloud_region = "eu-central-1"
    jurisdiction = "eu"
    network      = { zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
    capacity     = { nodes_min = 2, nodes_max = 12, database_nodes = 6 }
  }
  subnet_ids = {
    private = {
      eu-central-1a = "subnet-pa", eu-central-1b = "subnet-pb", eu-central-1c = "subnet-pc"
    }
    database = {
      eu-central-1a = "subnet-da", eu-central-1b = "subnet-db", eu-central-1c = "subnet-dc"
    }
  }
  log_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/logs"
  addons = {
    aws-ebs-csi-driver = "v1.60.0-eksbuild.1"
    coredns            = "v1.13.2-eksbuild.1"
    kube-proxy         = "v1.36.0-eksbuild.2"
    vpc-cni            = "v1.21.1-eksbuild.1"
  }
  access = {
    platform = { principal_arn = "arn:aws:iam::111122223333:role/platform", may = "admin" }
    support  = { principal_arn = "arn:aws:iam::111122223333:role/support", may = "view" }
  }
}

run "the_cluster_is_reached_from_inside_only" {
  command = plan

  assert {
    condition = (
      aws_eks_cluster.this.vpc_config[0].endpoint_private_access &&
      !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    )
    error_message = "the API is on the internet"
  }
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"])
    error_message = "secrets lie open"
  }
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit")
    error_message = "nobody knows who did what"
  }
  assert {
    condition     = aws_launch_template.node.metadata_options[0].http_tokens == "required"
    error_message = "a pod could borrow its node's rights"
  }
}

run "database_nodes_have_machines_of_their_own_in_every_zone" {
  command = plan

  assert {
    condition = keys(aws_eks_node_group.database) == [
      "eu-central-1a", "eu-central-1b", "eu-central-1c",
    ]
    error_message = "a group per zone"
  }
  assert {
    condition = alltrue([
      for zone, it in aws_eks_node_group.database : (
        it.scaling_config[0].min_size == 2 && it.scaling_config[0].max_size == 2 &&
        it.subnet_ids == toset([var.subnet_ids.database[zone]]) &&
        one(it.taint).effect == "NO_SCHEDULE" && it.labels["meridian/nodes"] == "database"
      )
    ])
    error_message = "six nodes over three zones, each for the database alone"
  }
  assert {
    condition     = length(aws_eks_node_group.api.taint) == 0
    error_message = "everything else would find no place to run"
  }
}

run "a_cluster_without_database_has_no_machines_for_it" {
  command = plan

  variables {
    hosts_database = false
  }

  assert {
    condition     = length(aws_eks_node_group.database) == 0
    error_message = "the database runs elsewhere"
  }
}

run "nothing_falls_back_to_another_cloud_region" {
  command = plan

  assert {
    condition = alltrue([
      for region in concat(
        [
          aws_kms_key.this.region, aws_cloudwatch_log_group.control_plane.region,
          aws_eks_cluster.this.region, aws_launch_template.node.region,
          aws_eks_node_group.api.region,
        ],
        [for it in aws_eks_node_group.database : it.region],
        [for it in aws_eks_addon.this : it.region],
        [for it in aws_eks_access_entry.this : it.region],
        [for it in aws_eks_access_policy_association.this : it.region],
      ) : region == "eu-central-1"
    ])
    error_message = "a resource says no cloud region, or another one"
  }
  assert {
    condition = alltrue([
      for tags in concat(
        [
          aws_kms_key.this.tags, aws_cloudwatch_log_group.control_plane.tags,
          aws_eks_cluster.this.tags, aws_launch_template.node.tags,
          aws_eks_node_group.api.tags, aws_iam_role.cluster.tags, aws_iam_role.node.tags,
          aws_iam_role.volumes.tags, aws_iam_openid_connect_provider.this.tags,
        ],
        [for it in aws_eks_node_group.database : it.tags],
        [for it in aws_eks_addon.this : it.tags],
        [for it in aws_eks_access_entry.this : it.tags],
        [for it in aws_launch_template.node.tag_specifications : it.tags],
        ) : (
        tags["meridian:region"] == "eu-central" && tags["meridian:jurisdiction"] == "eu" &&
        contains(["none", "transit", "stored"], tags["meridian:personal-data"])
      )
    ])
    error_message = "a resource does not say whose it is"
  }
}

run "only_the_disk_driver_may_act_for_disks" {
  command = apply

  assert {
    condition = jsondecode(aws_iam_role.volumes.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "oidc.eks.eu-central-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
        "oidc.eks.eu-central-1.amazonaws.com/id/ABC:sub" = join(":", [
          "system:serviceaccount", "kube-system", "ebs-csi-controller-sa",
        ])
      }
    }
    error_message = "another service account could make disks"
  }
  assert {
    condition = alltrue([
      for it in jsondecode(aws_iam_role_policy.volumes.policy).Statement :
      it.Resource == "arn:aws:kms:eu-central-1:111122223333:key/1234"
    ])
    error_message = "the driver may use other keys"
  }
  assert {
    condition     = output.certificate_authority == "certificate"
    error_message = "clients want PEM, not base64"
  }
  assert {
    condition     = aws_eks_addon.this["aws-ebs-csi-driver"].service_account_role_arn != null
    error_message = "the driver has no rights"
  }
}

run "rights_are_given_by_name" {
  command = plan

  assert {
    condition = (
      endswith(
        aws_eks_access_policy_association.this["platform"].policy_arn,
        "/AmazonEKSClusterAdminPolicy"
      ) &&
      endswith(
        aws_eks_access_policy_association.this["support"].policy_arn, "/AmazonEKSViewPolicy"
      )
    )
    error_message = "somebody may more than was said"
  }
  assert {
    condition = (
      !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    )
    error_message = "whoever makes the cluster gets rights by it"
  }
}

run "a_cluster_that_nobody_may_change_is_refused" {
  command = plan

  variables {
    access = {
      support = { principal_arn = "arn:aws:iam::111122223333:role/support", may = "view" }
    }
  }

  expect_failures = [var.access]
}

run "a_principal_is_named_once" {
  command = plan

  variables {
    access = {
      platform = { principal_arn = "arn:aws:iam::111122223333:role/one", may = "admin" }
      support  = { principal_arn = "arn:aws:iam::111122223333:role/one", may = "view" }
    }
  }

  expect_failures = [var.access]
}

run "a_right_that_does_not_exist_is_refused" {
  command = plan

  variables {
    access = {
      platform = { principal_arn = "arn:aws:iam::111122223333:role/one", may = "admin" }
      support  = { principal_arn = "arn:aws:iam::111122223333:role/two", may = "everything" }
    }
  }

  expect_failures = [var.access]
}

run "kubernetes_that_tells_no_pod_its_zone_is_refused" {
  command = plan

  variables {
    kubernetes_version = "1.34"
  }

  expect_failures = [var.kubernetes_version]
}

run "an_add_on_without_a_pin_is_refused" {
  command = plan

  variables {
    addons = { coredns = "v1.13.2-eksbuild.1" }
  }

  expect_failures = [var.addons]
}

run "latest_is_no_version" {
  command = plan

  variables {
    addons = {
      aws-ebs-csi-driver = "v1.60.0-eksbuild.1"
      coredns            = "latest"
      kube-proxy         = "v1.36.0-eksbuild.2"
      vpc-cni            = "v1.21.1-eksbuild.1"
    }
  }

  expect_failures = [var.addons]
}

run "fewer_at_most_than_at_least_is_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network      = { zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
      capacity     = { nodes_min = 4, nodes_max = 3, database_nodes = 3 }
    }
  }

  expect_failures = [var.region]
}

run "database_nodes_that_do_not_spread_are_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network      = { zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
      capacity     = { nodes_min = 2, nodes_max = 12, database_nodes = 4 }
    }
  }

  expect_failures = [var.region]
}

run "subnets_of_other_zones_are_refused" {
  command = plan

  variables {
    subnet_ids = {
      private = {
        eu-central-1a = "subnet-pa", eu-central-1b = "subnet-pb", eu-central-1c = "subnet-pc"
      }
      database = { eu-central-1a = "subnet-da", eu-central-1b = "subnet-db" }
    }
  }

  expect_failures = [var.subnet_ids]
}

run "database_machines_are_of_one_kind" {
  command = plan

  variables {
    instance_types = { api = ["m8g.large"], database = ["m8g.large", "m8g.2xlarge"] }
  }

  expect_failures = [var.instance_types]
}

run "an_unknown_image_is_refused" {
  command = plan

  variables {
    ami_type = "WINDOWS_CORE_2022_x86_64"
  }

  expect_failures = [var.ami_type]
}

run "a_disk_too_small_for_images_is_refused" {
  command = plan

  variables {
    node_disk_gib = 8
  }

  expect_failures = [var.node_disk_gib]
}

run "audit_logs_are_kept_for_a_while" {
  command = plan

  variables {
    log_days = 1
  }

  expect_failures = [var.log_days]
}
