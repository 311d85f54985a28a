locals {
  tags = {
    "meridian:region"        = "eu-central"
    "meridian:jurisdiction"  = "eu"
    "meridian:personal-data" = "stored"
  }
}

resource "aws_cloudwatch_log_group" "bad_untagged" {
  name = "untagged"
}

resource "aws_sqs_queue" "bad_word" {
  name = "word"
  tags = merge(local.tags, { "meridian:personal-data" = "maybe" })
}

resource "aws_dynamodb_table" "bad_lawless" {
  name     = "lawless"
  hash_key = "id"
  tags     = { for key, value in local.tags : key => value if key != "meridian:jurisdiction" }

  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_ebs_volume" "bad_nowhere" {
  availability_zone = "eu-central-1a"
  size              = 1
  tags              = { for key, value in local.tags : key => value if key != "meridian:region" }
}

resource "aws_ebs_volume" "good" {
  availability_zone = "eu-central-1a"
  size              = 1
  tags              = local.tags
}
