output "stray" { # bad
  description = "Belongs into outputs.tf."
  value       = 1
}
