# What comes close to being wrong, and is not.

data "aws_caller_identity" "this" {}

data "aws_availability_zones" "these" {
  region = var.cloud_region
}

locals {
  # Neither a comment nor an expression alone.
  address = "https://${var.cloud_region}//${local.owner}"
  owner   = data.aws_caller_identity.this.account_id
  pattern = "$${var.names}"
  # What only a template reads is read.
  title = "zone"
  note  = <<-EOT
    // ${local.title} ${local.address}: /* no comment */
    ${local.pattern}
  EOT
}

resource "aws_sns_topic" "these" {
  # A yes or a no, and no list.
  count = length(var.names) > 0 ? var.copies : 0

  region = var.cloud_region
  name   = "topic-${count.index}"
}

resource "aws_sns_topic_policy" "these" {
  count = length(aws_sns_topic.these)

  region = var.cloud_region
  arn    = aws_sns_topic.these[count.index].arn
  policy = jsonencode({ (local.title) = data.aws_availability_zones.these.names[0] })
}

# Of no region, because the whole world has one.
resource "aws_iam_role" "this" {
  name               = "good"
  assume_role_policy = "{}"
}

resource "tls_private_key" "this" {
  algorithm = "ED25519"
}

resource "terraform_data" "this" {
  input = local.note
}

module "pinned" {
  source = "git::https://git.example/modules.git//dns?ref=v1.2.3"
}

module "beside" {
  source = "../beside"
}
