# Paths are relative to the module. Every rule across files is held by tests/terraform/fixtures.rs of
# the project, which the regions crate's own bad examples feed.

variables {
  regions_dir    = "../../../regions"
  countries_file = "../../../geo-routing/data/countries.csv"
  zone           = "meridian.example"
}

run "the_shipped_regions_pass" {
  command = plan

  assert {
    condition     = length(output.built) == 4
    error_message = "four regions are built"
  }
  assert {
    condition     = output.orders.nearest["DE"][0] == "eu-central" && output.orders.nearest["SG"][0] == "ap-southeast"
    error_message = "the nearest comes first"
  }
  assert {
    condition     = output.waves[one([for name, it in output.regions : name if it.primary])] == length(output.waves)
    error_message = "the primary gets a new version last"
  }
  assert {
    condition = alltrue([
      for it in output.records : can(regex("\\.(steer|where)\\.meridian\\.example$", it.alias)) if it.alias != null
    ])
    error_message = "aliases stay among the steps and the continents"
  }
}

run "no_geolocation_record_looks_at_its_target" {
  command = plan

  assert {
    condition = alltrue([
      for it in output.records : it.evaluate == false if it.country != null || it.continent != null
    ])
    error_message = "a fence would leak to the default when all inside are sick"
  }
}

run "a_region_that_drains_is_forced_sick" {
  command = plan

  assert {
    condition = alltrue([
      for it in output.health_checks : !it.forced_sick if output.regions[it.region].state == "active"
    ])
    error_message = "an active region speaks for itself"
  }
}

run "route_53_may_measure_itself" {
  command = plan
  variables {
    mode = "native"
  }

  assert {
    condition     = length([for it in output.records : it if it.latitude != null]) == 12
    error_message = "api of four regions and eu of two, for both families"
  }
}

run "an_empty_directory_is_refused" {
  command = plan
  variables {
    regions_dir = "tests"
  }
  expect_failures = [var.regions_dir]
}

run "an_empty_revision_before_is_refused" {
  command = plan
  variables {
    before_dir = "tests"
  }
  expect_failures = [var.before_dir]
}

run "a_list_that_is_no_list_of_countries_is_refused" {
  command = plan
  variables {
    countries_file = "tests/registry.tftest.hcl"
  }
  expect_failures = [var.countries_file]
}

run "a_zone_that_is_no_name_is_refused" {
  command = plan
  variables {
    zone = "meridian.example."
  }
  expect_failures = [var.zone]
}

run "an_unknown_mode_is_refused" {
  command = plan
  variables {
    mode = "random"
  }
  expect_failures = [var.mode]
}

run "a_long_time_to_live_is_refused" {
  command = plan
  variables {
    ttl = { geo = 3600, static = 3600 }
  }
  expect_failures = [var.ttl]
}
