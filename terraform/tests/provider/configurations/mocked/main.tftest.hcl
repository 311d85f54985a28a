mock_provider "aws" {
  mock_resource "aws_route53_zone" {
    defaults = { zone_id = "Z0123456789" }
  }
}

run "plans_a_record_for_each_region" {
  command = plan

  assert {
    condition     = length(aws_route53_record.api) == 2
    error_message = "There is a record for each region."
  }
}

run "applies_with_what_the_mock_says" {
  assert {
    condition     = aws_route53_record.api["eu"].zone_id == "Z0123456789"
    error_message = "The records are in the zone."
  }
}

run "refuses_two_regions_for_a_continent" {
  command = plan

  variables {
    continents = { eu = "EU", uk = "EU" }
  }

  expect_failures = [var.continents]
}
