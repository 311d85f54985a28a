# What is one for all regions: names, the edge, and the database where somebody else runs it.

locals {
  root        = "${path.module}/../../.."
  regions_dir = coalesce(var.regions_dir, "${local.root}/regions")
  built       = { for name in module.registry.built : name => module.registry.regions[name] }
}

# DNS and the edge know no cloud regions; what does says itself where it lies.
provider "aws" {
  region = "us-east-1"

  default_tags {
    tags = { "meridian:state" = "global" }
  }
}

# The key comes from the environment: COCKROACH_API_KEY.
provider "cockroach" {}

module "registry" {
  source = "../../modules/registry"

  regions_dir    = local.regions_dir
  before_dir     = var.before_dir
  countries_file = "${local.root}/geo-routing/data/countries.csv"
  zone           = var.zone
  mode           = var.dns_mode
}

module "dns" {
  source = "../../modules/dns"

  zone          = var.zone
  records       = module.registry.records
  health_checks = module.registry.health_checks
}

module "edge" {
  source = "../../modules/edge"

  zone    = var.zone
  zone_id = module.dns.zone_id
  host    = var.edge_host
  taken   = [for it in module.registry.records : trimsuffix(it.name, ".${var.zone}")]
}

module "database" {
  source = "../../modules/database"
  count  = var.database_mode == "cloud" ? 1 : 0

  mode    = "cloud"
  regions = local.built
}
