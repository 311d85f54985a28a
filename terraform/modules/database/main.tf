# One CockroachDB over all regions. Self-hosted, each region's state holds its own nodes; in the
# cloud, one state holds the cluster. The bucket of a region's backups is always the region's own.

data "aws_caller_identity" "this" {}

locals {
  here        = var.region == null ? "" : var.region.name
  self_hosted = var.mode == "self_hosted"
  namespace   = "database-${local.here}"
  account_id  = data.aws_caller_identity.this.account_id

  tags = {
    "meridian:region"        = local.here
    "meridian:jurisdiction"  = try(var.region.jurisdiction, "")
    "meridian:personal-data" = "stored"
  }
  # Kubernetes allows no colon before the slash.
  labels = {
    "meridian/region"        = local.here
    "meridian/jurisdiction"  = try(var.region.jurisdiction, "")
    "meridian/personal-data" = "stored"
  }

  peers = { for name, it in var.regions : name => it if name != local.here }
  laws  = distinct([for it in var.regions : it.jurisdiction])
}
