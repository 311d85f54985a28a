output "region" {
  description = "What the registry says of the region."
  value       = local.region
}

output "cluster" {
  description = "The cluster's name and where its API is, inside the network."
  value       = { name = module.cluster.name, endpoint = module.cluster.endpoint }
}

output "addresses" {
  description = "Where the region's nodes find what they need."
  value = {
    sql         = module.database.sql_address
    cache_write = module.cache.write_address
    cache_read  = module.cache.read_address
    search      = module.search.read_url
    prometheus  = module.observability.prometheus_endpoint
  }
}

output "backups" {
  description = "The bucket of the region's backups, and when an erased person is gone from it."
  value = {
    bucket          = module.database.backup_bucket
    gone_after_days = module.database.backup_gone_after_days
  }
}

output "ways_out" {
  description = "The addresses that airlines and payment providers see, by zone."
  value       = module.network.ways_out
}
