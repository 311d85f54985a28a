# The files as they are, by name. Nothing here may fail, whatever they say: the guard in rules.tf
# speaks first.

locals {
  files = {
    for file in fileset(var.regions_dir, "*.json") :
    trimsuffix(file, ".json") => try(jsondecode(file("${var.regions_dir}/${file}")), {})
  }
  jurisdictions = try(jsondecode(file("${var.regions_dir}/policy/jurisdictions.json")), {})
  unhomed       = try(jsondecode(file("${var.regions_dir}/policy/unhomed.json")), {})
  hosts_file    = try(jsondecode(file("${var.regions_dir}/policy/hosts.json")), {})

  before = var.before_dir == null ? {} : {
    for file in fileset(var.before_dir, "*.json") :
    trimsuffix(file, ".json") => try(jsondecode(file("${var.before_dir}/${file}")), {})
  }

  # A region with everything that is read of it, and harmless values where the file is wrong.
  all = {
    for stem, it in local.files : try(tostring(it.name), stem) => {
      stem         = stem
      name         = try(tostring(it.name), stem)
      id_tag       = try(tostring(it.id_tag), "")
      state        = try(tostring(it.state), "")
      cloud_region = try(tostring(it.cloud_region), "")
      locality     = try(tostring(it.locality), "")
      jurisdiction = try(tostring(it.jurisdiction), "")
      primary      = try(tobool(it.primary), false)
      latitude     = try(tonumber(it.coordinates.latitude), 0)
      longitude    = try(tonumber(it.coordinates.longitude), 0)
      homes        = try(tolist(it.homes), [])
      continents   = try(tolist(it.dns.continents), [])
      default      = try(tobool(it.dns.default), false)
      countries    = try(tolist(it.dns.countries), [])
      weight       = try(tonumber(it.dns.weight), 0)
      bias         = try(tonumber(it.dns.bias), 0)
      fallbacks    = try(tolist(it.dns.fallbacks), [])
      network = {
        cidr  = try(tostring(it.network.cidr), "")
        zones = try(tolist(it.network.zones), [])
      }
      endpoints = {
        api  = try(tostring(it.endpoints.api), "")
        peer = try(tostring(it.endpoints.peer), null)
        ipv4 = try(tolist(it.endpoints.ipv4), [])
        ipv6 = try(tolist(it.endpoints.ipv6), [])
      }
      capacity = {
        requests_per_second = try(tonumber(it.capacity.requests_per_second), 0)
        nodes_min           = try(tonumber(it.capacity.nodes_min), 0)
        nodes_max           = try(tonumber(it.capacity.nodes_max), 0)
        database_nodes      = try(tonumber(it.capacity.database_nodes), 0)
      }
    }...
  }
  # Two files may claim one name; the rules say so, the rest reads the first.
  regions = { for name, them in local.all : name => them[0] }

  hosts = {
    for name, it in local.hosts_file : name => {
      fence    = try(tostring(it.fence), null)
      steering = try(tostring(it.steering), "nearest")
    }
  }

  countries = { for row in csvdecode(file(var.countries_file)) : row.iso2 => row }

  # Who has rows in the database, who answers travellers, whose infrastructure exists.
  alive  = { for name, it in local.regions : name => it if !contains(["planned", "provisioning", "removed"], it.state) }
  serves = { for name, it in local.regions : name => it if contains(["active", "draining"], it.state) }
  built  = { for name, it in local.regions : name => it if !contains(["planned", "removed"], it.state) }
}
