# The cluster that Cockroach Labs runs: one for all regions, in one state.

locals {
  # By name and in the order of names: the service orders them so, and an index means nothing.
  nodes = { for it in var.regions : it.cloud_region => it.capacity.database_nodes }
}

resource "cockroach_cluster" "this" {
  count = var.mode == "cloud" && var.region == null ? 1 : 0

  name              = "meridian"
  cloud_provider    = "AWS"
  plan              = "ADVANCED"
  cockroach_version = "v${join(".", slice(split(".", var.cockroach_version), 0, 2))}"
  delete_protection = true

  # Which of them is primary is a statement in SQL, not a property of an ADVANCED cluster.
  regions = [for name in sort(keys(local.nodes)) : { name = name, node_count = local.nodes[name] }]

  dedicated = {
    num_virtual_cpus           = var.node.cpus
    storage_gib                = var.node.storage_gib
    private_network_visibility = true
  }

  # The service keeps all its backups in one region, which it draws by lot. Under several laws that
  # is no place for them: then backups are made with SQL, into the buckets of the regions.
  backup_config = {
    enabled = length(local.laws) == 1
  }

  labels = { personal-data = "stored" }

  lifecycle {
    prevent_destroy = true
  }
}

resource "cockroach_database" "meridian" {
  count = length(cockroach_cluster.this)

  cluster_id = cockroach_cluster.this[0].id
  name       = "meridian"
}
