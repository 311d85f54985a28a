# The cache of a region, planned against the schema of the provider alone.

mock_provider "aws" {}

variables {
  region = {
    name         = "ap-southeast"
    cloud_region = "ap-southeast-1"
    jurisdiction = "sg"
    network      = { zones = ["ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c"] }
  }
  vpc_id = "vpc-0123"
  subnet_ids = {
    ap-southeast-1a = "subnet-a", ap-southeast-1b = "subnet-b", ap-southeast-1c = "subnet-c"
  }
  client_security_group_id = "sg-0123"
  auth_token               = "0123456789abcdef0123456789abcdef"
}

run "every_zone_has_a_node_and_any_may_fail" {
  command = plan

  assert {
    condition = (
      aws_elasticache_replication_group.this.num_cache_clusters == 3 &&
      aws_elasticache_replication_group.this.automatic_failover_enabled &&
      aws_elasticache_replication_group.this.multi_az_enabled
    )
    error_message = "a zone takes the cache with it"
  }
}

run "nothing_is_said_or_kept_in_the_clear" {
  command = plan

  assert {
    condition = (
      aws_elasticache_replication_group.this.transit_encryption_enabled &&
      aws_elasticache_replication_group.this.transit_encryption_mode == "required" &&
      tobool(aws_elasticache_replication_group.this.at_rest_encryption_enabled)
    )
    error_message = "somebody could listen"
  }
  assert {
    condition     = aws_elasticache_replication_group.this.auth_token == null
    error_message = "the token is in the state"
  }
  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.clients.referenced_security_group_id == "sg-0123"
    )
    error_message = "others than the region's nodes may ask"
  }
}

run "nothing_falls_back_to_another_cloud_region" {
  command = plan

  assert {
    condition = alltrue([
      for it in [
        aws_security_group.this, aws_vpc_security_group_ingress_rule.clients,
        aws_elasticache_subnet_group.this, aws_elasticache_parameter_group.this,
        aws_elasticache_replication_group.this,
        ] : (
        it.region == "ap-southeast-1" && it.tags["meridian:region"] == "ap-southeast" &&
        it.tags["meridian:jurisdiction"] == "sg" && it.tags["meridian:personal-data"] == "none"
      )
    ])
    error_message = "a resource says no cloud region, or not whose it is"
  }
}

run "a_cache_keeps_no_copies" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.snapshot_retention_limit == 0
    error_message = "a copy that nobody needs"
  }
  assert {
    condition     = one(aws_elasticache_parameter_group.this.parameter).value == "allkeys-lfu"
    error_message = "a full cache would refuse writes"
  }
}

run "a_short_token_is_refused" {
  command = plan

  variables {
    auth_token = "short"
  }

  expect_failures = [var.auth_token]
}

run "a_single_zone_is_refused" {
  command = plan

  variables {
    subnet_ids = { ap-southeast-1a = "subnet-a" }
  }

  expect_failures = [var.subnet_ids]
}

run "subnets_of_other_zones_are_refused" {
  command = plan

  variables {
    subnet_ids = { eu-west-1a = "subnet-a", eu-west-1b = "subnet-b", eu-west-1c = "subnet-c" }
  }

  expect_failures = [var.subnet_ids]
}

run "a_database_machine_is_no_cache" {
  command = plan

  variables {
    node_type = "db.m7g.large"
  }

  expect_failures = [var.node_type]
}

run "an_old_engine_is_refused" {
  command = plan

  variables {
    engine_version = "7.2"
  }

  expect_failures = [var.engine_version]
}
