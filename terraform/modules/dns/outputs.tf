output "zone_id" {
  description = "Route 53's id of the zone."
  value       = aws_route53_zone.this.zone_id
}

output "name_servers" {
  description = "To be named at the parent."
  value       = aws_route53_zone.this.name_servers
}

output "health_check_ids" {
  description = "Ids of the health checks that say whether a region is ready, by region."
  value = {
    for name, it in var.health_checks : it.region => aws_route53_health_check.this[name].id
    if it.path == "/edge-health"
  }
}
