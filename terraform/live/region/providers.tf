# How each service is reached. Everything says its cloud region itself; the provider says it again.

provider "aws" {
  region = local.region.cloud_region

  default_tags {
    tags = { "meridian:state" = "regions/${var.region}" }
  }
}

# The key comes from the environment: COCKROACH_API_KEY. self_hosted needs none.
provider "cockroach" {}

locals {
  # Who runs this is asked for a token each time; none is kept.
  token = {
    api_version = "client.authentication.k8s.io/v1beta1"
    command     = "aws"
    args = [
      "eks", "get-token",
      "--cluster-name", module.cluster.name, "--region", local.region.cloud_region,
    ]
  }
}

provider "kubernetes" {
  host                   = module.cluster.endpoint
  cluster_ca_certificate = module.cluster.certificate_authority

  exec {
    api_version = local.token.api_version
    command     = local.token.command
    args        = local.token.args
  }
}

provider "helm" {
  kubernetes = {
    host                   = module.cluster.endpoint
    cluster_ca_certificate = module.cluster.certificate_authority
    exec                   = local.token
  }
}

# Read while Terraform runs and handed to write-only arguments: in no plan and no state.
ephemeral "aws_secretsmanager_secret_version" "this" {
  for_each = toset(concat(
    ["cache-token", "search-key"],
    local.self_hosted ? ["authority-certificate", "authority-key"] : [],
  ))

  region    = local.region.cloud_region
  secret_id = "meridian/${var.region}/${each.key}"
}

locals {
  secret = ephemeral.aws_secretsmanager_secret_version.this
}
