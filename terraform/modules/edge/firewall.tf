# What the edge lets through, and how much of it. Rules are asked in the order of their priority.

locals {
  refusals = {
    personal = { priority = 0, paths = var.personal, code = 421, says = "misdirected" }
    inside   = { priority = 1, paths = var.inside, code = 404, says = "not_found" }
  }
  # What is about a person is recognised however it is written.
  as_meant = ["URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"]

  # The order of names is as good as any: a request may be counted by several.
  limit_names = sort(keys(var.limits))
  # Maintained by AWS: known attacks.
  managed = {
    AWSManagedRulesCommonRuleSet         = 100
    AWSManagedRulesKnownBadInputsRuleSet = 101
  }
}

resource "aws_wafv2_web_acl" "this" {
  region      = local.control_plane
  name        = "meridian-edge"
  description = "Nothing about a person, and nothing too often"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  custom_response_body {
    key          = "misdirected"
    content_type = "APPLICATION_JSON"
    content = jsonencode({
      type   = "https://${var.zone}/docs/errors#misdirected"
      title  = "Another region is home to this data"
      status = 421
      code   = "misdirected"
      detail = "Ask GET /v1/residence which region is home, and talk to it."
    })
  }
  custom_response_body {
    key          = "not_found"
    content_type = "APPLICATION_JSON"
    content      = jsonencode({ title = "There is nothing here", status = 404, code = "not_found" })
  }
  custom_response_body {
    key          = "rate_limited"
    content_type = "APPLICATION_JSON"
    content = jsonencode({
      title  = "Too many requests"
      status = 429
      code   = "rate_limited"
      detail = "Wait five minutes."
    })
  }

  dynamic "rule" {
    for_each = local.refusals
    content {
      name     = rule.key
      priority = rule.value.priority

      action {
        block {
          custom_response {
            response_code            = rule.value.code
            custom_response_body_key = rule.value.says
          }
        }
      }

      statement {
        regex_match_statement {
          regex_string = "^(${join("|", rule.value.paths)})"

          field_to_match {
            uri_path {}
          }
          dynamic "text_transformation" {
            for_each = local.as_meant
            content {
              priority = text_transformation.key
              type     = text_transformation.value
            }
          }
        }
      }

      # Samples would keep addresses of travellers, and not at home.
      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "meridian-edge-${rule.key}"
        sampled_requests_enabled   = false
      }
    }
  }

  dynamic "rule" {
    for_each = var.limits
    content {
      name     = "limit-${rule.key}"
      priority = 10 + index(local.limit_names, rule.key)

      action {
        block {
          custom_response {
            response_code            = 429
            custom_response_body_key = "rate_limited"

            response_header {
              name  = "Retry-After"
              value = "300"
            }
          }
        }
      }

      statement {
        rate_based_statement {
          limit                 = rule.value.requests
          aggregate_key_type    = "IP"
          evaluation_window_sec = 300

          scope_down_statement {
            regex_match_statement {
              regex_string = "^(${join("|", rule.value.paths)})"

              field_to_match {
                uri_path {}
              }
              dynamic "text_transformation" {
                for_each = local.as_meant
                content {
                  priority = text_transformation.key
                  type     = text_transformation.value
                }
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "meridian-edge-limit-${rule.key}"
        sampled_requests_enabled   = false
      }
    }
  }

  dynamic "rule" {
    for_each = local.managed
    content {
      name     = rule.key
      priority = rule.value

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "meridian-edge-${rule.key}"
        sampled_requests_enabled   = false
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "meridian-edge"
    sampled_requests_enabled   = false
  }

  tags = local.tags
}
