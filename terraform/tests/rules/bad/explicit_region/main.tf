resource "aws_sqs_queue" "bad" { # bad
  name = "bad"
}

ephemeral "aws_secretsmanager_secret_version" "bad" { # bad
  secret_id = "bad"
}

check "of_the_zones" {
  data "aws_availability_zones" "bad" {} # bad

  assert {
    condition     = length(data.aws_availability_zones.bad.names) > 2
    error_message = "Fewer than three zones."
  }
}
