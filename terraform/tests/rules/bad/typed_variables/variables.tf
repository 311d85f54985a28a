variable "loose" { # bad
  description = "Takes anything."
}
