output "name_servers" {
  description = "To be named at the parent of the zone."
  value       = module.dns.name_servers
}

output "health_check_ids" {
  description = "Health checks by region: each region's state makes an alarm for its own."
  value       = module.dns.health_check_ids
}

output "edge" {
  description = "The edge's name, and CloudFront's id of it."
  value       = { host = module.edge.host, distribution_id = module.edge.distribution_id }
}

output "database_hosts" {
  description = "Where the one cluster answers SQL, by cloud region (cloud)."
  value       = merge({}, module.database[*].sql_hosts...)
}

output "waves" {
  description = "In which order a new version reaches the regions."
  value       = module.registry.waves
}

output "fingerprint" {
  description = "SHA-256 over the region files that were applied; `meridian regions check` compares it."
  value       = module.registry.fingerprint
}
