# What is one for all regions, against stand-ins that know the providers' schemas. Route 53's own
# geoproximity stands in for our exact order, which has thousands of records and its own tests.

variables {
  dns_mode = "native"
}

run "names_and_edge_and_no_cluster" {
  command = plan

  assert {
    condition     = output.edge.host == "www.meridian.example"
    error_message = "the edge answers to another name"
  }
  assert {
    condition     = output.database_hosts == {}
    error_message = "self-hosted nodes stand in their regions"
  }
  assert {
    condition     = sort(keys(output.waves)) == sort(module.registry.built)
    error_message = "a region is in no wave"
  }
}

run "the_cluster_that_somebody_else_runs_is_made_here" {
  command = plan

  variables {
    database_mode = "cloud"
  }

  assert {
    condition = keys(output.database_hosts) == [
      for cloud_region in sort([
        for name in module.registry.built : module.registry.regions[name].cloud_region
      ]) : cloud_region
    ]
    error_message = "a region has no database"
  }
}

run "a_database_in_between_is_refused" {
  command = plan

  variables {
    database_mode = "both"
  }

  expect_failures = [var.database_mode]
}
