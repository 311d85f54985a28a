variable "unused" { # bad
  description = "Read by nobody."
  type        = string
}

variable "selfish" { # bad
  description = "Read by itself alone."
  type        = number

  validation {
    condition     = var.selfish > 0
    error_message = "selfish is more than nothing."
  }
}
