variable "zone" {
  description = "The domain, without a dot at its end."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]{1,63}\\.)+[a-z]{2,63}$", var.zone))
    error_message = "zone is no domain name; write one like meridian.example."
  }
}

variable "records" {
  description = "The registry's record sets; what is null does not apply."
  type = map(object({
    name           = string
    type           = string
    set_identifier = optional(string)
    ttl            = optional(number)
    values         = optional(list(string))
    alias          = optional(string)
    evaluate       = optional(bool)
    weight         = optional(number)
    failover       = optional(string)
    country        = optional(string)
    continent      = optional(string)
    latitude       = optional(string)
    longitude      = optional(string)
    bias           = optional(number)
    health         = optional(string)
  }))

  validation {
    condition     = alltrue([for it in var.records : (it.values == null) != (it.alias == null)])
    error_message = "A record set has either values or an alias; look at the registry's output."
  }

  validation {
    # Route 53 refuses the second at apply, after the first has changed.
    condition = length(distinct([
      for it in var.records : "${it.name} ${it.type} ${coalesce(it.set_identifier, "-")}"
    ])) == length(var.records)
    error_message = "Two record sets have the same name, type and identifier; keep one."
  }

  validation {
    condition = alltrue([
      for name in distinct([for it in var.records : "${it.name} ${it.type}" if it.country != null]) :
      contains([for it in var.records : "${it.name} ${it.type}" if it.country == "*"], name)
    ])
    error_message = "A host with geolocation has no default (country *): whom no table knows would get no answer."
  }

  validation {
    # Quotas that AWS does not raise.
    condition = alltrue([
      for of in [
        { most = 100, names = [for it in var.records : "${it.name} ${it.type}" if it.country != null || it.continent != null] },
        { most = 30, names = [for it in var.records : "${it.name} ${it.type}" if it.latitude != null] },
      ] : alltrue([for name in distinct(of.names) : length([for it in of.names : it if it == name]) <= of.most])
    ])
    error_message = "Route 53 takes 100 geolocation and 30 geoproximity records a name and type; use fewer."
  }

  validation {
    condition     = length(var.records) <= 10000
    error_message = "A zone takes 10,000 record sets by default; ask AWS for more, or use mode = \"native\"."
  }
}

variable "health_checks" {
  description = "The registry's health checks, by \"region kind\"."
  type = map(object({
    region      = string
    fqdn        = string
    path        = string
    forced_sick = bool
  }))

  validation {
    condition = alltrue([
      for it in var.health_checks : length(it.fqdn) > 0 && contains(["/edge-health", "/livez"], it.path)
    ])
    error_message = "A health check asks a host for /edge-health or /livez; look at the registry's output."
  }
}

variable "request_interval" {
  description = "Seconds between two questions of one checker: 10 or 30."
  type        = number
  default     = 10

  validation {
    condition     = contains([10, 30], var.request_interval)
    error_message = "request_interval is 10 or 30 seconds."
  }
}

variable "failure_threshold" {
  description = "Answers in a row that change a checker's mind, 1 to 10."
  type        = number
  default     = 3

  validation {
    condition     = var.failure_threshold >= 1 && var.failure_threshold <= 10
    error_message = "failure_threshold is 1 to 10."
  }
}
