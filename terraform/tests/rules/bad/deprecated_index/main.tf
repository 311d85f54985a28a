resource "terraform_data" "bad" {
  input = [
    aws_sns_topic.these.0.arn, # bad
    aws_sns_topic.these.*.arn, # bad
  ]
}
