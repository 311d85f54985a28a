output "sql_address" {
  description = "Where the region's nodes answer SQL, inside its cluster (self_hosted)."
  value = (
    local.self_hosted
    ? "${local.release}-public.${local.namespace}.svc.cluster.local:${local.port}"
    : null
  )
}

output "sql_hosts" {
  description = "Where the cluster answers SQL inside the cloud's network, by cloud region (cloud)."
  value = {
    for it in flatten(cockroach_cluster.this[*].regions) : it.name => it.internal_dns
  }
}

output "backup_bucket" {
  description = "The bucket of the region's backups."
  value       = one(aws_s3_bucket.backup[*].bucket)
}

output "backup_gone_after_days" {
  description = "After so many days no backup holds an erased person: for the receipt of erasure."
  value       = var.backup_days + local.noncurrent_days
}
