output "silent" { # bad
  value = 1
}

output "blank" { # bad
  description = " "
  value       = 2
}
