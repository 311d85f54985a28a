# What a region says of itself, planned against the schema of the provider alone.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
}

variables {
  region = { name = "eu-central", cloud_region = "eu-central-1", jurisdiction = "eu" }
}

run "logs_and_metrics_stay_in_the_region" {
  command = plan

  assert {
    condition     = keys(aws_kms_key.this) == ["eu-central-1"]
    error_message = "without health checks there is nothing elsewhere"
  }
  assert {
    condition = (
      aws_cloudwatch_log_group.nodes.region == "eu-central-1" &&
      aws_prometheus_workspace.this.region == "eu-central-1" &&
      aws_kms_key.this["eu-central-1"].region == "eu-central-1" &&
      aws_sns_topic.alarms["eu-central-1"].region == "eu-central-1"
    )
    error_message = "a resource says no cloud region, or another one"
  }
  assert {
    condition = alltrue([
      for tags in [
        aws_cloudwatch_log_group.nodes.tags, aws_prometheus_workspace.this.tags,
        aws_kms_key.this["eu-central-1"].tags, aws_sns_topic.alarms["eu-central-1"].tags,
        ] : (
        tags["meridian:region"] == "eu-central" && tags["meridian:jurisdiction"] == "eu" &&
        tags["meridian:personal-data"] == "none"
      )
    ])
    error_message = "a resource does not say whose it is"
  }
}

run "logs_are_locked_with_a_key_that_only_this_cloud_region_may_use" {
  command = plan

  assert {
    condition = strcontains(
      aws_kms_key.this["eu-central-1"].policy, "logs.eu-central-1.amazonaws.com"
    )
    error_message = "the log service of this cloud region has to be let in"
  }
  assert {
    condition     = aws_kms_key.this["eu-central-1"].enable_key_rotation
    error_message = "a key that never turns"
  }
}

run "an_alarm_on_health_rings_where_route_53_measures" {
  command = plan

  variables {
    health_check_ids = { eu-central = "11111111-2222-3333-4444-555555555555" }
    subscribers = {
      operations = { protocol = "email", endpoint = "ops-eu-central@meridian.example" }
    }
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.unhealthy["eu-central"].region == "us-east-1" &&
      aws_cloudwatch_metric_alarm.unhealthy["eu-central"].dimensions == tomap({
        HealthCheckId = "11111111-2222-3333-4444-555555555555"
      })
    )
    error_message = "nobody would hear it"
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.unhealthy["eu-central"].treat_missing_data == "breaching"
    )
    error_message = "silence is no health"
  }
  assert {
    condition = keys(aws_sns_topic_subscription.this) == [
      "eu-central-1/operations", "us-east-1/operations",
    ]
    error_message = "whoever is told is told from both places"
  }
  assert {
    condition     = aws_sns_topic_subscription.this["us-east-1/operations"].region == "us-east-1"
    error_message = "a subscription lies beside its topic"
  }
}

run "an_american_region_rings_in_one_place" {
  command = plan

  variables {
    region           = { name = "us-east", cloud_region = "us-east-1", jurisdiction = "us" }
    health_check_ids = { us-east = "11111111-2222-3333-4444-555555555555" }
  }

  assert {
    condition     = keys(aws_sns_topic.alarms) == ["us-east-1"]
    error_message = "one topic is enough"
  }
}

run "logs_are_kept_for_a_time_that_the_cloud_knows" {
  command = plan

  variables {
    log_days = 31
  }

  expect_failures = [var.log_days]
}

run "a_subscriber_is_reached_in_a_known_way" {
  command = plan

  variables {
    subscribers = { pager = { protocol = "sms", endpoint = "+49301234567" } }
  }

  expect_failures = [var.subscribers]
}

run "nobody_is_told_in_the_clear" {
  command = plan

  variables {
    subscribers = { pager = { protocol = "https", endpoint = "http://pager.example" } }
  }

  expect_failures = [var.subscribers]
}

run "an_hour_without_health_is_too_long" {
  command = plan

  variables {
    unhealthy_minutes = 60
  }

  expect_failures = [var.unhealthy_minutes]
}
