variable "region" {
  description = "The region's name, as its file is called in regions/."
  type        = string

  validation {
    condition = fileexists(
      "${coalesce(var.regions_dir, "${path.module}/../../../regions")}/${var.region}.json"
    )
    error_message = "There is no such region: regions/ holds no file of this name."
  }
}

variable "zone" {
  description = "The domain, without a dot at its end."
  type        = string
  default     = "meridian.example"
}

variable "regions_dir" {
  description = "The region files; null is regions/ of this repository."
  type        = string
  default     = null
}

variable "database_mode" {
  description = "self_hosted: database nodes stand here. cloud: only their backups lie here."
  type        = string
  default     = "self_hosted"

  validation {
    condition     = contains(["cloud", "self_hosted"], var.database_mode)
    error_message = "database_mode is cloud or self_hosted, the same here and in live/global."
  }
}

variable "access" {
  description = "Who may do what in the cluster, by a name of your own. admin, edit or view."
  type        = map(object({ principal_arn = string, may = string }))
}

variable "kubernetes_version" {
  description = "The control plane's version."
  type        = string
  default     = "1.36"
}

variable "addons" {
  description = "Versions of the cluster's add-ons; they go with kubernetes_version."
  type        = map(string)
}

variable "core_network_arn" {
  description = "The backbone between regions; self-hosted database nodes need it."
  type        = string
  default     = null
}

variable "health_check_id" {
  description = "The region's health check, from live/global; null wakes nobody."
  type        = string
  default     = null
}

variable "subscribers" {
  description = "Who is told when the region is ill, by a name of your own."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}
}

variable "backup_writers" {
  description = "Principals of Cockroach Labs that write backups (cloud)."
  type        = list(string)
  default     = []
}

variable "secrets_version" {
  description = "Raise it after the region's secrets have been written anew."
  type        = number
  default     = 1
}

variable "deletion_protection" {
  description = "Set to false, and apply, before a region that is being removed is destroyed."
  type        = bool
  default     = true
}
