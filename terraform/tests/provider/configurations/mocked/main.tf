# What `terraform test` mocks.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.60"
    }
  }
}

variable "continents" {
  type    = map(string)
  default = { eu = "EU", us = "NA" }

  validation {
    condition     = length(values(var.continents)) == length(toset(values(var.continents)))
    error_message = "A continent has one region only."
  }
}

resource "aws_route53_zone" "main" {
  name = "example.com"
}

resource "aws_route53_record" "api" {
  for_each       = var.continents
  zone_id        = aws_route53_zone.main.zone_id
  name           = "api.example.com"
  type           = "CNAME"
  ttl            = 60
  records        = ["${each.key}.example.com"]
  set_identifier = each.key

  geolocation_routing_policy {
    continent = each.value
  }
}
