# The Kubernetes cluster of one region. Its API is reached from inside the network only.

locals {
  name = "meridian-${var.region.name}"
  tags = {
    "meridian:region"       = var.region.name
    "meridian:jurisdiction" = var.region.jurisdiction
  }

  policies = {
    admin = "AmazonEKSClusterAdminPolicy"
    edit  = "AmazonEKSEditPolicy"
    view  = "AmazonEKSViewPolicy"
  }
}

# Secrets of the cluster and disks of its database: whoever ends this key ends both.
resource "aws_kms_key" "this" {
  region                  = var.region.cloud_region
  description             = "Secrets and volumes of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = merge(local.tags, { "meridian:personal-data" = "stored" })
}

resource "aws_cloudwatch_log_group" "control_plane" {
  region            = var.region.cloud_region
  name              = "/aws/eks/${local.name}/cluster"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_eks_cluster" "this" {
  region                    = var.region.cloud_region
  name                      = local.name
  role_arn                  = aws_iam_role.cluster.arn
  version                   = var.kubernetes_version
  enabled_cluster_log_types = ["api", "audit", "authenticator"]
  deletion_protection       = var.deletion_protection

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.this.arn
    }
  }

  vpc_config {
    subnet_ids              = [for zone in var.region.network.zones : var.subnet_ids.private[zone]]
    endpoint_private_access = true
    endpoint_public_access  = false
  }

  # A version that is no longer supported is upgraded rather than paid for.
  upgrade_policy {
    support_type = "STANDARD"
  }

  tags = merge(local.tags, { "meridian:personal-data" = "transit" })

  depends_on = [
    aws_cloudwatch_log_group.control_plane,
    aws_iam_role_policy_attachment.cluster,
  ]
}

resource "aws_iam_openid_connect_provider" "this" {
  url            = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_eks_access_entry" "this" {
  for_each = var.access

  region        = var.region.cloud_region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_eks_access_policy_association" "this" {
  for_each = var.access

  region        = var.region.cloud_region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.this[each.key].principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/${local.policies[each.value.may]}"

  access_scope {
    type = "cluster"
  }
}

resource "aws_eks_addon" "this" {
  for_each = var.addons

  region                      = var.region.cloud_region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = each.value
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "PRESERVE"
  service_account_role_arn    = each.key == "aws-ebs-csi-driver" ? aws_iam_role.volumes.arn : null
  # Without this, the network policies of database and search are words.
  configuration_values = (
    each.key == "vpc-cni" ? jsonencode({ enableNetworkPolicy = "true" }) : null
  )

  tags = merge(local.tags, { "meridian:personal-data" = "none" })

  # Some wait until they run, and they run on nodes.
  depends_on = [aws_eks_node_group.api]
}
