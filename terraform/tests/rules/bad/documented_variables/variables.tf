variable "silent" { # bad
  type = string
}

variable "blank" { # bad
  description = ""
  type        = string
}
