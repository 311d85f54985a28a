variable "zone" {
  description = "The domain, without a dot at its end."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]{1,63}\\.)+[a-z]{2,63}$", var.zone))
    error_message = "zone is no domain name; write one like meridian.example."
  }
}

variable "zone_id" {
  description = "Route 53's id of the zone; dns makes it."
  type        = string
}

variable "host" {
  description = "The name in the zone that the edge answers to."
  type        = string
  default     = "www"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.host))
    error_message = "host is one label, such as www."
  }

  validation {
    condition     = var.host != var.origin && !contains(var.taken, var.host)
    error_message = "host is a name that regions answer to; the edge needs one of its own."
  }
}

variable "origin" {
  description = "The name in the zone behind it, which leads to the nearest region."
  type        = string
  default     = "api"
}

variable "taken" {
  description = "Names in the zone that others answer to."
  type        = list(string)
  default     = []
}

variable "personal" {
  description = "Where paths about a person begin. The edge does not carry them."
  type        = list(string)
  default     = ["/v1/travellers", "/v1/sessions", "/v1/orders", "/v1/payments"]

  validation {
    condition = (
      length(var.personal) > 0 &&
      alltrue([for it in var.personal : can(regex("^/[a-z0-9/-]+[a-z0-9]$", it))])
    )
    error_message = "personal lists beginnings of paths such as /v1/orders, at least one."
  }
}

variable "inside" {
  description = "Where paths for operators begin. The edge answers 404."
  type        = list(string)
  default     = ["/metrics", "/livez", "/readyz", "/startupz", "/edge-health", "/version"]

  validation {
    condition     = alltrue([for it in var.inside : can(regex("^/[a-z0-9/-]+[a-z0-9]$", it))])
    error_message = "inside lists beginnings of paths such as /metrics."
  }
}

variable "limits" {
  description = "For each class of paths, how many requests one address may make in five minutes."
  type        = map(object({ paths = list(string), requests = number }))
  default = {
    everything = { paths = ["/"], requests = 3000 }
    places     = { paths = ["/v1/places"], requests = 1500 }
    # Who asks often wants to learn who has an account.
    residence = { paths = ["/v1/residence"], requests = 30 }
    search    = { paths = ["/v1/offer-requests", "/v1/offers"], requests = 300 }
  }

  validation {
    condition     = alltrue([for it in var.limits : it.requests >= 10 && it.requests <= 100000])
    error_message = "A limit is 10 to 100000 requests in five minutes."
  }

  validation {
    condition = alltrue([
      for it in var.limits :
      length(it.paths) > 0 && alltrue([for path in it.paths : can(regex("^/[a-z0-9/-]*$", path))])
    ])
    error_message = "A class lists beginnings of paths such as /v1/places, at least one."
  }

  validation {
    condition     = anytrue([for it in var.limits : contains(it.paths, "/")])
    error_message = "No class covers everything: give one the path /."
  }
}

variable "price_class" {
  description = "From how many places the edge answers."
  type        = string
  default     = "PriceClass_All"

  validation {
    condition = contains(
      ["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class
    )
    error_message = "price_class is PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}
