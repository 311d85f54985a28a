mock_provider "aws" {}

variables {
  zone = "meridian.example"
  health_checks = {
    "eu-central ready" = {
      region      = "eu-central", fqdn = "eu-central.api.meridian.example", path = "/edge-health"
      forced_sick = false
    }
    "us-east ready" = {
      region      = "us-east", fqdn = "us-east.api.meridian.example", path = "/edge-health"
      forced_sick = true
    }
  }
  records = {
    take = {
      name = "r0.euc1.steer.meridian.example", type = "A", set_identifier = "take", weight = 100
      ttl  = 30, values = ["192.0.2.10"], health = "eu-central ready"
    }
    go = {
      name     = "go.euc1.steer.meridian.example", type = "A", set_identifier = "ready"
      failover = "PRIMARY", alias = "r0.euc1.steer.meridian.example", evaluate = true
    }
    host = {
      name  = "api.meridian.example", type = "A", set_identifier = "default", country = "*"
      alias = "go.euc1.steer.meridian.example", evaluate = false
    }
  }
}

run "records_come_in_layers" {
  command = plan

  assert {
    condition = join(" ", concat(
      keys(aws_route53_record.leaf), keys(aws_route53_record.step), keys(aws_route53_record.host),
    )) == "take go host"
    error_message = "values, then steps, then hosts"
  }
  assert {
    condition     = aws_route53_health_check.this["us-east ready"].disabled && aws_route53_health_check.this["us-east ready"].invert_healthcheck
    error_message = "a region whose file says that it drains is forced sick"
  }
  assert {
    condition     = !aws_route53_health_check.this["eu-central ready"].disabled
    error_message = "an active region speaks for itself"
  }
}

run "a_host_without_a_default_is_refused" {
  command = plan
  variables {
    records = {
      host = {
        name  = "api.meridian.example", type = "A", set_identifier = "DE", country = "DE"
        alias = "go.euc1.steer.meridian.example", evaluate = false
      }
    }
  }
  expect_failures = [var.records]
}

run "a_record_with_values_and_an_alias_is_refused" {
  command = plan
  variables {
    records = {
      both = {
        name = "a.meridian.example", type = "A", values = ["192.0.2.1"], alias = "b.meridian.example"
      }
    }
  }
  expect_failures = [var.records]
}

run "two_records_with_one_identity_are_refused" {
  command = plan
  variables {
    records = {
      one = { name = "a.meridian.example", type = "A", ttl = 60, values = ["192.0.2.1"] }
      two = { name = "a.meridian.example", type = "A", ttl = 60, values = ["192.0.2.2"] }
    }
  }
  expect_failures = [var.records]
}

run "a_health_check_that_asks_for_another_path_is_refused" {
  command = plan
  variables {
    records = {}
    health_checks = {
      "eu-central ready" = {
        region = "eu-central", fqdn = "x.example", path = "/metrics", forced_sick = false
      }
    }
  }
  expect_failures = [var.health_checks]
}

run "odd_intervals_and_thresholds_are_refused" {
  command = plan
  variables {
    request_interval  = 5
    failure_threshold = 11
  }
  expect_failures = [var.request_interval, var.failure_threshold]
}

run "a_zone_that_is_no_name_is_refused" {
  command = plan
  variables {
    zone = "meridian"
  }
  expect_failures = [var.zone]
}
