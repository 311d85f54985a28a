# The edge, planned and applied against the schema of the provider alone.

mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234"
      domain_validation_options = [{
        domain_name           = "www.meridian.example"
        resource_record_name  = "_proof.www.meridian.example"
        resource_record_type  = "CNAME"
        resource_record_value = "_proof.acm-validations.aws"
      }]
    }
  }
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/meridian-edge/1234" }
  }
}

variables {
  zone    = "meridian.example"
  zone_id = "Z0123456789"
  taken   = ["api", "eu"]
}

run "what_is_about_a_person_is_sent_home" {
  command = plan

  assert {
    condition = one([
      for it in aws_wafv2_web_acl.this.rule : it if it.name == "personal"
      ]).statement[0].regex_match_statement[0].regex_string == (
      "^(/v1/travellers|/v1/sessions|/v1/orders|/v1/payments)"
    )
    error_message = "the edge would carry something about a person"
  }
  assert {
    condition = one([
      for it in aws_wafv2_web_acl.this.rule : it if it.name == "personal"
    ]).action[0].block[0].custom_response[0].response_code == 421
    error_message = "the client would not know what is wrong"
  }
  assert {
    condition = one([
      for it in aws_wafv2_web_acl.this.rule : it.priority if it.name == "personal"
    ]) == min([for it in aws_wafv2_web_acl.this.rule : it.priority]...)
    error_message = "another rule could let it through first"
  }
}

run "the_api_is_never_cached_and_no_token_goes_through" {
  command = plan

  assert {
    condition = (
      aws_cloudfront_distribution.this.ordered_cache_behavior[0].path_pattern == "/v1/*" &&
      aws_cloudfront_distribution.this.ordered_cache_behavior[0].cache_policy_id ==
      "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    )
    error_message = "an answer could be given to somebody else"
  }
  assert {
    condition = (
      aws_cloudfront_origin_request_policy.api.cookies_config[0].cookie_behavior == "none" &&
      !contains(
        aws_cloudfront_origin_request_policy.api.headers_config[0].headers[0].items,
        "Authorization"
      )
    )
    error_message = "a token goes through the edge"
  }
  assert {
    condition = (
      aws_cloudfront_cache_policy.pages.parameters_in_cache_key_and_forwarded_to_origin[0]
      .cookies_config[0].cookie_behavior == "none" &&
      aws_cloudfront_cache_policy.pages.default_ttl == 0
    )
    error_message = "a page is kept longer than it says, or for one person"
  }
}

run "old_tls_is_not_spoken" {
  command = plan

  assert {
    condition = (
      aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version ==
      "TLSv1.2_2021"
    )
    error_message = "travellers may speak old TLS"
  }
  assert {
    condition = one([
      for it in aws_cloudfront_distribution.this.origin :
      it.custom_origin_config[0].origin_protocol_policy
    ]) == "https-only"
    error_message = "regions are asked in the clear"
  }
  assert {
    condition = (
      aws_cloudfront_distribution.this.default_cache_behavior[0].viewer_protocol_policy ==
      "redirect-to-https" &&
      aws_cloudfront_distribution.this.ordered_cache_behavior[0].viewer_protocol_policy ==
      "https-only"
    )
    error_message = "travellers may ask in the clear"
  }
}

run "certificate_and_firewall_lie_where_cloudfront_looks" {
  assert {
    condition = alltrue([
      for region in [
        aws_acm_certificate.this.region, aws_acm_certificate_validation.this.region,
        aws_wafv2_web_acl.this.region,
      ] : region == "us-east-1"
    ])
    error_message = "CloudFront would not find it"
  }
  assert {
    condition = (
      aws_cloudfront_distribution.this.web_acl_id == aws_wafv2_web_acl.this.arn &&
      aws_cloudfront_distribution.this.viewer_certificate[0].acm_certificate_arn ==
      aws_acm_certificate.this.arn
    )
    error_message = "the edge stands without them"
  }
  assert {
    condition     = aws_route53_record.proof.name == "_proof.www.meridian.example"
    error_message = "the certificate would never be issued"
  }
}

run "every_class_has_its_own_limit" {
  command = plan

  assert {
    condition = {
      for it in aws_wafv2_web_acl.this.rule :
      it.name => it.statement[0].rate_based_statement[0].limit if startswith(it.name, "limit-")
      } == {
      limit-everything = 3000, limit-places = 1500, limit-residence = 30, limit-search = 300
    }
    error_message = "a class is counted otherwise than was said"
  }
  assert {
    condition = length(distinct([
      for it in aws_wafv2_web_acl.this.rule : it.priority
    ])) == length(aws_wafv2_web_acl.this.rule)
    error_message = "two rules have one priority"
  }
}

run "nobody_is_remembered" {
  command = plan

  assert {
    condition = (
      alltrue([
        for it in aws_wafv2_web_acl.this.rule :
        !it.visibility_config[0].sampled_requests_enabled
      ]) &&
      !aws_wafv2_web_acl.this.visibility_config[0].sampled_requests_enabled &&
      length(aws_cloudfront_distribution.this.logging_config) == 0
    )
    error_message = "addresses of travellers are kept away from home"
  }
  assert {
    condition = alltrue([
      for tags in [
        aws_cloudfront_distribution.this.tags, aws_wafv2_web_acl.this.tags,
        aws_acm_certificate.this.tags,
        ] : (
        tags["meridian:region"] == "everywhere" && tags["meridian:jurisdiction"] == "any" &&
        tags["meridian:personal-data"] == "none"
      )
    ])
    error_message = "a resource does not say whose it is"
  }
}

run "an_edge_in_front_of_itself_is_refused" {
  command = plan

  variables {
    host = "api"
  }

  expect_failures = [var.host]
}

run "a_name_that_a_fence_has_is_refused" {
  command = plan

  variables {
    host = "eu"
  }

  expect_failures = [var.host]
}

run "a_zone_with_a_dot_at_its_end_is_refused" {
  command = plan

  variables {
    zone = "meridian.example."
  }

  expect_failures = [var.zone]
}

run "an_edge_that_carries_everything_is_refused" {
  command = plan

  variables {
    personal = []
  }

  expect_failures = [var.personal]
}

run "a_pattern_is_no_beginning_of_a_path" {
  command = plan

  variables {
    inside = [".*"]
  }

  expect_failures = [var.inside]
}

run "a_limit_that_nobody_can_keep_is_refused" {
  command = plan

  variables {
    limits = { everything = { paths = ["/"], requests = 1 } }
  }

  expect_failures = [var.limits]
}

run "paths_that_nobody_counts_are_refused" {
  command = plan

  variables {
    limits = { search = { paths = ["/v1/offers"], requests = 300 } }
  }

  expect_failures = [var.limits]
}

run "a_class_without_paths_is_refused" {
  command = plan

  variables {
    limits = {
      everything = { paths = ["/"], requests = 3000 }
      nothing    = { paths = [], requests = 3000 }
    }
  }

  expect_failures = [var.limits]
}

run "an_unknown_price_class_is_refused" {
  command = plan

  variables {
    price_class = "PriceClass_EU"
  }

  expect_failures = [var.price_class]
}
