variable "region" {
  description = "The region as the registry knows it."
  type = object({
    name         = string
    cloud_region = string
    jurisdiction = string
  })
}

variable "log_days" {
  description = "How long the nodes' logs are kept; they hold no personal data."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_days)
    error_message = "log_days is 7, 14, 30, 60, 90, 180 or 365."
  }
}

variable "health_check_ids" {
  description = "Route 53's health checks to wake somebody for, by region; dns makes them."
  type        = map(string)
  default     = {}
}

variable "subscribers" {
  description = "Who is told, by a name of your own: {protocol = \"email\", endpoint = \"ops@..\"}."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}

  validation {
    condition = alltrue([
      for it in var.subscribers : contains(["email", "https", "lambda", "sqs"], it.protocol)
    ])
    error_message = "A subscriber's protocol is email, https, lambda or sqs."
  }

  validation {
    condition = alltrue([
      for it in var.subscribers : it.protocol != "https" || startswith(it.endpoint, "https://")
    ])
    error_message = "A subscriber by https has an endpoint that begins with https://."
  }
}

variable "unhealthy_minutes" {
  description = "Minutes without health before somebody is woken. DNS has long moved on by itself."
  type        = number
  default     = 2

  validation {
    condition     = var.unhealthy_minutes >= 1 && var.unhealthy_minutes <= 15
    error_message = "unhealthy_minutes is 1 to 15."
  }
}
