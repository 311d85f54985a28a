resource "aws_route53_health_check" "bad" {
  type = "HTTPS"
  fqdn = "eu-central.example"
  tags = { Name = "eu-central" }
}

resource "aws_route53_health_check" "good" {
  type = "HTTPS"
  fqdn = "eu-central.example"
  tags = { "meridian:region" = "eu-central" }
}
