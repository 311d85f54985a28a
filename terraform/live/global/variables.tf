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

variable "before_dir" {
  description = "The region files that are live, so that steps are checked; null checks none."
  type        = string
  default     = null
}

variable "dns_mode" {
  description = <<-EOT
    exact: the answers of our own name server. native: Route 53's geoproximity. The mode of a live
    zone cannot be switched in place: Route 53 refuses geolocation and geoproximity at one name, and
    Terraform changes record by record. Make a second zone of the same domain in the other mode, in
    a state of its own, and let the parent name that one; README.md has the steps.
  EOT
  type        = string
  default     = "exact"
}

variable "edge_host" {
  description = "The name in the zone that the edge answers to."
  type        = string
  default     = "www"
}

variable "database_mode" {
  description = "cloud makes the one cluster here; self_hosted leaves it to the regions."
  type        = string
  default     = "self_hosted"

  validation {
    condition     = contains(["cloud", "self_hosted"], var.database_mode)
    error_message = "database_mode is cloud or self_hosted, the same here and in every region."
  }
}
