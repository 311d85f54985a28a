variable "mode" {
  description = "self_hosted: nodes on the region's cluster. cloud: Cockroach Labs runs them."
  type        = string

  validation {
    condition     = contains(["cloud", "self_hosted"], var.mode)
    error_message = "mode is cloud or self_hosted."
  }
}

variable "region" {
  description = "The region whose part this is; null for what is one for all regions (cloud)."
  type = object({
    name         = string
    cloud_region = string
    locality     = string
    jurisdiction = string
    network      = object({ zones = list(string) })
    capacity     = object({ database_nodes = number })
  })
  default = null

  validation {
    condition     = var.region != null || var.mode == "cloud"
    error_message = "Self-hosted nodes stand in a region; name it."
  }

  validation {
    condition     = var.region == null || contains(keys(var.regions), try(var.region.name, ""))
    error_message = "region is not among regions."
  }

  validation {
    condition     = var.region == null || try(length(var.region.network.zones), 0) >= 3
    error_message = "network.zones names fewer than three zones; a quorum needs three."
  }

  validation {
    condition = (
      var.region == null ||
      try(var.region.capacity.database_nodes % length(var.region.network.zones), 1) == 0
    )
    error_message = "capacity.database_nodes do not spread evenly over network.zones."
  }
}

variable "regions" {
  description = "Every region that has database nodes, by name: the registry's, less the unbuilt."
  type = map(object({
    name         = string
    cloud_region = string
    locality     = string
    jurisdiction = string
    primary      = bool
    network      = object({ cidr = string })
    capacity     = object({ database_nodes = number })
  }))

  validation {
    condition     = length([for it in var.regions : it if it.primary]) == 1
    error_message = "Exactly one region is primary."
  }

  validation {
    condition     = alltrue([for name, it in var.regions : name == it.name])
    error_message = "A region has another name than its key."
  }

  validation {
    condition = (
      length(distinct([for it in var.regions : it.locality])) == length(var.regions) &&
      length(distinct([for it in var.regions : it.cloud_region])) == length(var.regions)
    )
    error_message = "Two regions share a locality or a cloud region: their rows would mix."
  }
}

variable "cluster" {
  description = "The region's Kubernetes cluster (self_hosted)."
  type = object({
    security_group_id = string
    oidc_provider_arn = string
    oidc_issuer       = string
    key_arn           = string
  })
  default = null

  validation {
    condition     = (var.cluster != null) == (var.mode == "self_hosted")
    error_message = "Self-hosted nodes run on a cluster, others on none."
  }
}

variable "certificate_authority" {
  description = "Who signs for nodes and clients, the same in all regions (self_hosted), PEM."
  type        = object({ certificate = string, key = string })
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = (var.certificate_authority != null) == (var.mode == "self_hosted")
    error_message = "Self-hosted nodes need a certificate authority, others none."
  }
}

variable "certificate_authority_version" {
  description = "Raise it to hand a new certificate_authority to the cluster."
  type        = number
  default     = 1
}

variable "cockroach_version" {
  description = "CockroachDB's version. Older than 26.2, replicas could leave their super region."
  type        = string
  default     = "26.2.2"

  validation {
    condition = can(regex(
      "^(26\\.[2-9]|2[7-9]\\.[1-9]|[3-9][0-9]\\.[1-9])\\.[0-9]+$", var.cockroach_version
    ))
    error_message = "cockroach_version is 26.2.0 or newer, in full."
  }
}

variable "chart" {
  description = "Where CockroachDB's Helm chart comes from (self_hosted)."
  type        = object({ repository = string, version = string })
  default     = { repository = "https://charts.cockroachdb.com", version = "21.0.0" }

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.chart.version))
    error_message = "chart.version is a whole version, such as 21.0.0."
  }
}

variable "node" {
  description = "What a database node gets. cloud takes cpus and storage_gib."
  type        = object({ cpus = number, memory_gib = number, storage_gib = number })
  default     = { cpus = 6, memory_gib = 26, storage_gib = 250 }

  validation {
    condition     = var.node.memory_gib >= 4 * var.node.cpus
    error_message = "A node has at least 4 GiB of memory for each CPU."
  }

  validation {
    condition     = var.node.storage_gib >= 50 && var.node.storage_gib <= 10000
    error_message = "node.storage_gib is 50 to 10000."
  }
}

variable "clients" {
  description = "Kubernetes namespaces whose pods may talk SQL (self_hosted)."
  type        = list(string)
  default     = ["meridian"]
}

variable "backup_days" {
  description = "How long a backup is kept. An erased person is in it for so long."
  type        = number
  default     = 30

  validation {
    condition     = var.backup_days >= 14 && var.backup_days <= 90
    error_message = "backup_days is 14 to 90: two full backups, and no archive of the erased."
  }
}

variable "backup_writers" {
  description = "Principals of Cockroach Labs that write backups into the region's bucket (cloud)."
  type        = list(string)
  default     = []

  validation {
    condition     = (var.mode == "cloud" && var.region != null) == (length(var.backup_writers) > 0)
    error_message = "In cloud mode a region names who writes its backups; else nobody is named."
  }
}
