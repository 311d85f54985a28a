# One region, whichever: everything that stands in it, and nothing that stands in another.

locals {
  root   = "${path.module}/../../.."
  region = module.registry.regions[var.region]
  # The region itself also while it is taken down, when its file says by now that it is gone.
  built = merge(
    { for name in module.registry.built : name => module.registry.regions[name] },
    { (var.region) = local.region },
  )

  self_hosted = var.database_mode == "self_hosted"
}

module "registry" {
  source = "../../modules/registry"

  regions_dir    = coalesce(var.regions_dir, "${local.root}/regions")
  countries_file = "${local.root}/geo-routing/data/countries.csv"
  zone           = var.zone
}

# Remembers whose state this is. A key and a region that do not go together would otherwise replace
# one region by another.
resource "terraform_data" "whose" {
  input = var.region

  lifecycle {
    ignore_changes = [input]

    precondition {
      condition = contains(module.registry.built, var.region)
      error_message = join(" ", [
        "regions/${var.region}.json says that the region is ${local.region.state}.",
        "Only from provisioning to removing does it have infrastructure.",
      ])
    }

    postcondition {
      condition     = self.output == var.region
      error_message = "This is the state of another region; init with its own key, or -reconfigure."
    }
  }
}

module "observability" {
  source = "../../modules/observability"

  region      = local.region
  subscribers = var.subscribers
  # The key is known before the id is.
  health_check_ids = var.health_check_id == null ? {} : { (var.region) = var.health_check_id }
}

module "network" {
  source = "../../modules/network"

  region           = local.region
  log_key_arn      = module.observability.log_key_arn
  core_network_arn = var.core_network_arn
}

module "cluster" {
  source = "../../modules/cluster"

  region              = local.region
  subnet_ids          = module.network.subnet_ids
  log_key_arn         = module.observability.log_key_arn
  kubernetes_version  = var.kubernetes_version
  addons              = var.addons
  access              = var.access
  hosts_database      = local.self_hosted
  deletion_protection = var.deletion_protection
}

module "database" {
  source = "../../modules/database"

  mode    = var.database_mode
  region  = local.region
  regions = local.built
  cluster = local.self_hosted ? {
    security_group_id = module.cluster.security_group_id
    oidc_provider_arn = module.cluster.oidc_provider_arn
    oidc_issuer       = module.cluster.oidc_issuer
    key_arn           = module.cluster.key_arn
  } : null
  certificate_authority = local.self_hosted ? {
    certificate = local.secret["authority-certificate"].secret_string
    key         = local.secret["authority-key"].secret_string
  } : null
  certificate_authority_version = var.secrets_version
  backup_writers                = var.backup_writers
}

module "search" {
  source = "../../modules/search"

  region             = local.region
  master_key         = local.secret["search-key"].secret_string
  master_key_version = var.secrets_version
}

module "cache" {
  source = "../../modules/cache"

  region                   = local.region
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.subnet_ids["database"]
  client_security_group_id = module.cluster.security_group_id
  auth_token               = local.secret["cache-token"].secret_string
  auth_token_version       = var.secrets_version
}
