# What a region says of itself, and whom it wakes. Logs, metrics and their key stay in the region.

data "aws_caller_identity" "this" {}

locals {
  tags = {
    "meridian:region"        = var.region.name
    "meridian:jurisdiction"  = var.region.jurisdiction
    "meridian:personal-data" = "none"
  }

  # Route 53 tells of its health checks there only, and an alarm can only call a topic beside it.
  control_plane = "us-east-1"
  # Where something can ring, by cloud region.
  places = toset(concat(
    [var.region.cloud_region],
    length(var.health_check_ids) == 0 ? [] : [local.control_plane],
  ))
  bells = merge([
    for place in local.places : {
      for name, it in var.subscribers : "${place}/${name}" => merge(it, { place = place })
    }
  ]...)
}

resource "aws_kms_key" "this" {
  for_each = local.places

  region                  = each.key
  description             = "Logs and alarms of ${var.region.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Action    = "kms:*"
        Resource  = "*"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.this.account_id}:root" }
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Action    = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
        Resource  = "*"
        Principal = { Service = "logs.${each.key}.amazonaws.com" }
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = join(":", [
              "arn:aws:logs", each.key, data.aws_caller_identity.this.account_id, "*",
            ])
          }
        }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Condition = {
          StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id }
        }
      },
    ]
  })

  tags = local.tags
}

resource "aws_cloudwatch_log_group" "nodes" {
  region            = var.region.cloud_region
  name              = "/meridian/${var.region.name}/nodes"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this[var.region.cloud_region].arn

  tags = local.tags
}

resource "aws_prometheus_workspace" "this" {
  region      = var.region.cloud_region
  alias       = "meridian-${var.region.name}"
  kms_key_arn = aws_kms_key.this[var.region.cloud_region].arn

  tags = local.tags
}

resource "aws_sns_topic" "alarms" {
  for_each = local.places

  region            = each.key
  name              = "meridian-${var.region.name}-alarms"
  kms_master_key_id = aws_kms_key.this[each.key].arn

  tags = local.tags
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.bells

  region    = each.value.place
  topic_arn = aws_sns_topic.alarms[each.value.place].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint
}

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  for_each = var.health_check_ids

  region              = local.control_plane
  alarm_name          = "meridian-${each.key}-unhealthy"
  alarm_description   = "${each.key} is not answered in DNS: docs/runbooks says what to do."
  namespace           = "AWS/Route53"
  metric_name         = "HealthCheckStatus"
  dimensions          = { HealthCheckId = each.value }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = var.unhealthy_minutes
  # A check that is gone is as bad as one that fails.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms[local.control_plane].arn]
  ok_actions         = [aws_sns_topic.alarms[local.control_plane].arn]

  tags = local.tags
}
