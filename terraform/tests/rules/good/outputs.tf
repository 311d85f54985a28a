output "arns" {
  description = "All of them."
  value       = aws_sns_topic.these[*].arn
}
