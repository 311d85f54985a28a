# The machines: some for the API and everything else, some for the database alone.

locals {
  # A disk lies in one zone: a group per zone, so that a node comes back to its disk.
  database_groups = toset(var.hosts_database ? var.region.network.zones : [])
  per_zone        = var.region.capacity.database_nodes / length(var.region.network.zones)
  node_policies = [
    "AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy",
  ]
}

resource "aws_launch_template" "node" {
  region                 = var.region.cloud_region
  name                   = "${local.name}-node"
  update_default_version = true

  # Pods get no farther than their node: none can borrow its rights.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Where images, logs and scratch files go.
  block_device_mappings {
    device_name = startswith(var.ami_type, "BOTTLEROCKET") ? "/dev/xvdb" : "/dev/xvda"

    ebs {
      volume_type = "gp3"
      volume_size = var.node_disk_gib
      encrypted   = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = merge(local.tags, { "meridian:personal-data" = "transit" })
  }

  tag_specifications {
    resource_type = "volume"
    tags          = merge(local.tags, { "meridian:personal-data" = "transit" })
  }

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_eks_node_group" "api" {
  region          = var.region.cloud_region
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "api"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [for zone in var.region.network.zones : var.subnet_ids.private[zone]]
  ami_type        = var.ami_type
  instance_types  = var.instance_types.api
  labels          = { "meridian/nodes" = "api" }

  scaling_config {
    min_size     = var.region.capacity.nodes_min
    max_size     = var.region.capacity.nodes_max
    desired_size = var.region.capacity.nodes_min
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    name    = aws_launch_template.node.name
    version = aws_launch_template.node.latest_version
  }

  tags = merge(local.tags, { "meridian:personal-data" = "transit" })

  lifecycle {
    # The autoscaler's business.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node]
}

resource "aws_eks_node_group" "database" {
  for_each = local.database_groups

  region          = var.region.cloud_region
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "database-${each.key}"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [var.subnet_ids.database[each.key]]
  ami_type        = var.ami_type
  instance_types  = var.instance_types.database
  labels          = { "meridian/nodes" = "database" }

  taint {
    key    = "meridian/nodes"
    value  = "database"
    effect = "NO_SCHEDULE"
  }

  scaling_config {
    min_size     = local.per_zone
    max_size     = local.per_zone
    desired_size = local.per_zone
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    name    = aws_launch_template.node.name
    version = aws_launch_template.node.latest_version
  }

  tags = merge(local.tags, { "meridian:personal-data" = "stored" })

  depends_on = [aws_iam_role_policy_attachment.node]
}
