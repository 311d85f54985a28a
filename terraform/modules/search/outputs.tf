output "read_url" {
  description = "Whoever reads asks any copy here."
  value       = "http://${local.name}.search.svc.cluster.local:${local.port}"
}

output "write_urls" {
  description = "Whoever writes the index writes to each of these."
  value = [
    for place in range(var.copies) : join("", [
      "http://${local.name}-${place}.${local.name}-copies.search.svc.cluster.local:${local.port}",
    ])
  ]
}
