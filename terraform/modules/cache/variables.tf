variable "region" {
  description = "The region as the registry knows it."
  type = object({
    name         = string
    cloud_region = string
    jurisdiction = string
    network      = object({ zones = list(string) })
  })
}

variable "vpc_id" {
  description = "The region's network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets for the cache's nodes, by zone."
  type        = map(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids names fewer than two zones; a replica stands in another zone."
  }

  validation {
    condition     = sort(keys(var.subnet_ids)) == sort(var.region.network.zones)
    error_message = "subnet_ids names other zones than the region."
  }
}

variable "client_security_group_id" {
  description = "Whose members may ask the cache: the cluster's nodes."
  type        = string
}

variable "auth_token" {
  description = "What clients say to be let in. Comes from a secret and is kept in no state."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[^@\"/ ]{16,128}$", var.auth_token))
    error_message = "auth_token has 16 to 128 characters, without @, \", / and spaces."
  }
}

variable "auth_token_version" {
  description = "Raise it to hand a new auth_token over; the old one goes on working beside it."
  type        = number
  default     = 1
}

variable "node_type" {
  description = "What one node of the cache runs on."
  type        = string
  default     = "cache.m7g.large"

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type looks like cache.m7g.large."
  }
}

variable "engine_version" {
  description = "Valkey's version."
  type        = string
  default     = "8.1"

  validation {
    condition     = can(regex("^(8|9)\\.[0-9]+$", var.engine_version))
    error_message = "engine_version is Valkey 8.x or 9.x."
  }
}
