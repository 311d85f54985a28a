# A name with an answer for each of two regions, and what stands behind it there. One provider:
# where a resource is managed is its `region`.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.60"
    }
  }
}

variable "regions" {
  type = map(object({
    continent  = string
    cidr_block = string
    weight     = optional(number, 100)
  }))
  default = {
    eu-central-1 = { continent = "EU", cidr_block = "10.1.0.0/16" }
    us-east-1    = { continent = "NA", cidr_block = "10.2.0.0/16" }
  }
}

provider "aws" {
  region              = "eu-central-1"
  allowed_account_ids = ["210987654321"]

  default_tags {
    tags = { service = "example" }
  }
}

data "aws_caller_identity" "current" {}

data "aws_availability_zones" "there" {
  for_each = var.regions
  region   = each.key
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "cluster" {
  name               = "cluster"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_vpc" "there" {
  for_each   = var.regions
  region     = each.key
  cidr_block = each.value.cidr_block
  tags       = { Name = each.key }
}

resource "aws_subnet" "there" {
  for_each          = var.regions
  region            = each.key
  vpc_id            = aws_vpc.there[each.key].id
  cidr_block        = cidrsubnet(each.value.cidr_block, 4, 0)
  availability_zone = data.aws_availability_zones.there[each.key].names[0]
}

resource "aws_eks_cluster" "there" {
  for_each = var.regions
  region   = each.key
  name     = "example-${each.key}"
  role_arn = aws_iam_role.cluster.arn

  vpc_config {
    subnet_ids = [aws_subnet.there[each.key].id]
  }
}

resource "aws_eip" "there" {
  for_each = var.regions
  region   = each.key
  domain   = "vpc"
}

ephemeral "aws_secretsmanager_random_password" "database" {
  password_length = 32
}

resource "aws_secretsmanager_secret" "database" {
  name = "database"

  dynamic "replica" {
    for_each = setsubtract(keys(var.regions), ["eu-central-1"])
    content {
      region = replica.value
    }
  }
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id                = aws_secretsmanager_secret.database.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.database.random_password
  secret_string_wo_version = 1
}

resource "aws_route53_zone" "main" {
  name = "example.com"
}

resource "aws_route53_health_check" "there" {
  for_each      = var.regions
  fqdn          = "${each.key}.example.com"
  type          = "HTTPS"
  port          = 443
  resource_path = "/healthz"
}

resource "aws_route53_record" "api" {
  for_each        = var.regions
  zone_id         = aws_route53_zone.main.zone_id
  name            = "api.example.com"
  type            = "A"
  ttl             = 60
  records         = [aws_eip.there[each.key].public_ip]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.there[each.key].id

  geolocation_routing_policy {
    continent = each.value.continent
  }
}

resource "aws_route53_record" "spread" {
  for_each       = var.regions
  zone_id        = aws_route53_zone.main.zone_id
  name           = "spread.example.com"
  type           = "A"
  ttl            = 60
  records        = [aws_eip.there[each.key].public_ip]
  set_identifier = each.key

  weighted_routing_policy {
    weight = each.value.weight
  }
}

resource "aws_wafv2_web_acl" "there" {
  for_each = var.regions
  region   = each.key
  name     = "api"
  scope    = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = 1000
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "api"
    sampled_requests_enabled   = false
  }
}

output "account" {
  value = data.aws_caller_identity.current.account_id
}

output "clusters" {
  value = { for region, cluster in aws_eks_cluster.there : region => cluster.arn }
}

output "authorities" {
  value = [for c in aws_eks_cluster.there : base64decode(c.certificate_authority[0].data)]
}

output "policy" {
  value = jsondecode(data.aws_iam_policy_document.assume.json)
}
