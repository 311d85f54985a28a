variable "region" {
  description = "The region as the registry knows it."
  type = object({
    name         = string
    cloud_region = string
    jurisdiction = string
    network      = object({ cidr = string, zones = list(string) })
  })

  validation {
    condition = (
      can(cidrsubnet(var.region.network.cidr, 5, 31)) &&
      can(regex("^10\\.[0-9.]+/(1[6-9]|20)$", var.region.network.cidr))
    )
    error_message = "network.cidr is no block of 10.0.0.0/8 between /16 and /20."
  }

  validation {
    condition     = length(var.region.network.zones) >= 3
    error_message = "network.zones names fewer than three zones; a quorum needs three."
  }

  validation {
    condition = (
      length(distinct(var.region.network.zones)) == length(var.region.network.zones) &&
      alltrue([
        for zone in var.region.network.zones :
        startswith(zone, var.region.cloud_region) && can(regex("[0-9][a-h]$", zone))
      ])
    )
    error_message = "network.zones are the cloud region and a letter from a to h, each once."
  }
}

variable "log_key_arn" {
  description = "The key of the region's logs; observability makes it."
  type        = string
}

variable "log_days" {
  description = "How long flow logs are kept: they name addresses of travellers."
  type        = number
  default     = 14

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30], var.log_days)
    error_message = "log_days is 1, 3, 5, 7, 14 or 30."
  }
}

variable "core_network_arn" {
  description = "The backbone that carries traffic between regions; null leaves the region alone."
  type        = string
  default     = null

  validation {
    condition = (
      var.core_network_arn == null ||
      can(regex("^arn:aws:networkmanager::[0-9]{12}:core-network/.+$", var.core_network_arn))
    )
    error_message = "core_network_arn is no ARN of a Cloud WAN core network."
  }
}
