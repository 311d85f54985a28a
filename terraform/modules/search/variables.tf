variable "region" {
  description = "The region as the registry knows it."
  type        = object({ name = string, jurisdiction = string })
}

variable "image" {
  description = "Meilisearch's image with its version."
  type        = string
  default     = "getmeili/meilisearch:v1.15.2"

  validation {
    condition     = can(regex(":v[0-9]+\\.[0-9]+\\.[0-9]+(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image names a whole version, such as :v1.15.2; a digest may follow."
  }
}

variable "copies" {
  description = "How many Meilisearch there are, each with the whole index."
  type        = number
  default     = 2

  validation {
    condition     = var.copies >= 2 && var.copies <= 6
    error_message = "copies is 2 to 6: one alone is away whenever its machine is."
  }
}

variable "storage_gib" {
  description = "What a copy may fill. The index of places is small."
  type        = number
  default     = 10

  validation {
    condition     = var.storage_gib >= 1 && var.storage_gib <= 100
    error_message = "storage_gib is 1 to 100."
  }
}

variable "clients" {
  description = "Kubernetes namespaces whose pods may ask."
  type        = list(string)
  default     = ["meridian"]

  validation {
    condition     = length(var.clients) > 0
    error_message = "clients is empty: nobody could ask."
  }
}

variable "master_key" {
  description = "Opens everything in Meilisearch. Comes from a secret and is kept in no state."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.master_key) >= 16
    error_message = "master_key has at least 16 characters."
  }
}

variable "master_key_version" {
  description = "Raise it to hand a new master_key over; the copies take it when they restart."
  type        = number
  default     = 1
}
