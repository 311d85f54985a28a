output "host" {
  description = "The name that the edge answers to."
  value       = local.fqdn
}

output "distribution_id" {
  description = "CloudFront's id, to throw pages out of its caches."
  value       = aws_cloudfront_distribution.this.id
}
