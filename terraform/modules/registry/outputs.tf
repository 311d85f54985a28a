output "regions" {
  description = "Every region by its name, whatever its state."
  value = {
    for name, it in local.regions : name => {
      name         = it.name
      id_tag       = it.id_tag
      state        = it.state
      cloud_region = it.cloud_region
      locality     = it.locality
      jurisdiction = it.jurisdiction
      primary      = it.primary
      wave         = try(local.waves[name], 0)
      network      = it.network
      capacity     = it.capacity
      endpoints    = it.endpoints
    }
  }
  depends_on = [terraform_data.guard]
}

output "fingerprint" {
  description = "SHA-256 over the files: nodes and `meridian regions check` compute the same."
  value = sha256(join("\n", sort([
    for file in concat(
      tolist(fileset(var.regions_dir, "*.json")), tolist(fileset(var.regions_dir, "policy/*.json")),
    ) : "${file} ${filesha256("${var.regions_dir}/${file}")}"
  ])))
  depends_on = [terraform_data.guard]
}

output "built" {
  description = "Names of the regions whose infrastructure exists."
  value       = sort(keys(local.built))
  depends_on  = [terraform_data.guard]
}

output "waves" {
  description = "Regions by the order in which a new version reaches them: the smallest first, the primary last."
  value       = local.waves
  depends_on  = [terraform_data.guard]
}

output "orders" {
  description = "For each steering and each country, continent or *, the regions in order of preference."
  value       = local.orders
  depends_on  = [terraform_data.guard]
}

output "records" {
  description = "Every record set of the zone that regions decide, by \"name type identifier\"."
  value       = local.records
  depends_on  = [terraform_data.guard]
}

output "health_checks" {
  description = "What Route 53 asks each serving region: ready (edge-health) and alive (livez)."
  value       = local.health_checks
  depends_on  = [terraform_data.guard]
}
