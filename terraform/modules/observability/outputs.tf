output "log_key_arn" {
  description = "The key for logs of this region."
  value       = aws_kms_key.this[var.region.cloud_region].arn
}

output "log_group_name" {
  description = "Where the nodes' logs go."
  value       = aws_cloudwatch_log_group.nodes.name
}

output "prometheus_endpoint" {
  description = "Where the region's Prometheus writes to."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}

output "topic_arns" {
  description = "What rings, by cloud region: an alarm calls the topic beside it."
  value       = { for place, it in aws_sns_topic.alarms : place => it.arn }
}
