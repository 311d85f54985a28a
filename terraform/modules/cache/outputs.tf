output "write_address" {
  description = "Where the cache is written and read, TLS only."
  value       = "${aws_elasticache_replication_group.this.primary_endpoint_address}:${local.port}"
}

output "read_address" {
  description = "Where it is read only, from any zone."
  value       = "${aws_elasticache_replication_group.this.reader_endpoint_address}:${local.port}"
}
