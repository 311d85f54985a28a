variable "cloud_region" {
  description = "Where it lies."
  type        = string
}

variable "names" {
  description = "What is made, by name."
  type        = set(string)
}

variable "limit" {
  description = "Read by the validation of another variable alone."
  type        = number
  default     = 3
}

variable "copies" {
  description = "How many."
  type        = number

  validation {
    condition     = var.copies <= var.limit
    error_message = "copies is more than limit."
  }
}
