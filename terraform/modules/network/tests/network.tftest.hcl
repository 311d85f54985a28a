# The network of a region, planned against the schema of the provider alone.

mock_provider "aws" {}

variables {
  region = {
    name         = "eu-central"
    cloud_region = "eu-central-1"
    jurisdiction = "eu"
    network = {
      cidr  = "10.16.0.0/16"
      zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    }
  }
  log_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/logs"
}

run "every_zone_has_its_tiers_inside_the_block" {
  command = plan

  assert {
    condition     = length(aws_subnet.this) == 9
    error_message = "three zones times three tiers"
  }
  assert {
    condition = alltrue([
      for it in aws_subnet.this :
      cidrhost("${split("/", it.cidr_block)[0]}/16", 0) == cidrhost("10.16.0.0/16", 0)
    ])
    error_message = "a subnet lies outside the region's block"
  }
  assert {
    condition = (
      aws_subnet.this["private/eu-central-1a"].cidr_block == "10.16.0.0/20" &&
      aws_subnet.this["database/eu-central-1b"].cidr_block == "10.16.136.0/21" &&
      aws_subnet.this["public/eu-central-1c"].cidr_block == "10.16.208.0/21"
    )
    error_message = "addresses follow from tier and letter"
  }
  assert {
    condition     = length(distinct([for it in aws_subnet.this : it.cidr_block])) == 9
    error_message = "two subnets share a block"
  }
  assert {
    condition     = alltrue([for it in aws_subnet.this : !it.map_public_ip_on_launch])
    error_message = "nothing gets a public address by itself"
  }
}

run "nothing_falls_back_to_another_cloud_region" {
  command = plan

  variables {
    core_network_arn = "arn:aws:networkmanager::111122223333:core-network/core-network-0abc"
  }

  assert {
    condition = alltrue([
      for region in concat(
        [
          aws_vpc.this.region, aws_default_security_group.closed.region,
          aws_internet_gateway.this.region, aws_flow_log.this.region,
          aws_cloudwatch_log_group.flow.region, aws_route_table.public.region,
          aws_route.public.region, aws_vpc_endpoint.s3.region,
        ],
        [for it in aws_subnet.this : it.region],
        [for it in aws_eip.way_out : it.region],
        [for it in aws_nat_gateway.this : it.region],
        [for it in aws_route_table.private : it.region],
        [for it in aws_route.private : it.region],
        [for it in aws_route.backbone : it.region],
        [for it in aws_route_table_association.this : it.region],
      ) : region == "eu-central-1"
    ])
    error_message = "a resource says no cloud region, or another one"
  }
  assert {
    condition     = aws_vpc_endpoint.s3.service_name == "com.amazonaws.eu-central-1.s3"
    error_message = "object storage of another cloud region"
  }
}

run "every_resource_names_its_law_and_what_it_holds" {
  command = plan

  assert {
    condition = alltrue([
      for tags in concat(
        [
          aws_vpc.this.tags, aws_default_security_group.closed.tags,
          aws_internet_gateway.this.tags, aws_flow_log.this.tags,
          aws_cloudwatch_log_group.flow.tags, aws_iam_role.flow.tags,
          aws_route_table.public.tags, aws_vpc_endpoint.s3.tags,
        ],
        [for it in aws_subnet.this : it.tags],
        [for it in aws_eip.way_out : it.tags],
        [for it in aws_nat_gateway.this : it.tags],
        [for it in aws_route_table.private : it.tags],
        ) : (
        tags["meridian:region"] == "eu-central" && tags["meridian:jurisdiction"] == "eu" &&
        contains(["none", "transit", "stored"], tags["meridian:personal-data"])
      )
    ])
    error_message = "a resource does not say whose it is"
  }
  assert {
    condition = (
      aws_subnet.this["database/eu-central-1a"].tags["meridian:personal-data"] == "stored"
    )
    error_message = "the database's subnets hold personal data"
  }
  assert {
    condition = (
      aws_subnet.this["public/eu-central-1a"].tags["kubernetes.io/role/elb"] == "1" &&
      aws_subnet.this["private/eu-central-1a"].tags["kubernetes.io/role/internal-elb"] == "1"
    )
    error_message = "load balancers do not find their subnets"
  }
}

run "a_region_without_a_backbone_is_alone" {
  command = plan

  assert {
    condition = (
      length(aws_networkmanager_vpc_attachment.backbone) == 0 && length(aws_route.backbone) == 0
    )
    error_message = "no core network was named"
  }
}

run "a_zone_that_goes_moves_no_other" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network = {
        cidr  = "10.16.0.0/16"
        zones = ["eu-central-1b", "eu-central-1c", "eu-central-1d"]
      }
    }
  }

  assert {
    condition = (
      aws_subnet.this["database/eu-central-1b"].cidr_block == "10.16.136.0/21" &&
      aws_subnet.this["public/eu-central-1c"].cidr_block == "10.16.208.0/21"
    )
    error_message = "a subnet has moved"
  }
}

run "the_smallest_block_is_enough" {
  command = plan

  variables {
    region = {
      name         = "us-east"
      cloud_region = "us-east-1"
      jurisdiction = "us"
      network = {
        cidr  = "10.32.0.0/20"
        zones = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"]
      }
    }
  }

  assert {
    condition = (
      aws_subnet.this["private/us-east-1f"].cidr_block == "10.32.5.0/24" &&
      aws_subnet.this["public/us-east-1f"].cidr_block == "10.32.14.128/25"
    )
    error_message = "six zones in a /20"
  }
}

run "a_block_outside_ten_is_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network = {
        cidr  = "192.168.0.0/16"
        zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
      }
    }
  }

  expect_failures = [var.region]
}

run "two_zones_are_too_few" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network      = { cidr = "10.16.0.0/16", zones = ["eu-central-1a", "eu-central-1b"] }
    }
  }

  expect_failures = [var.region]
}

run "a_zone_of_another_cloud_region_is_refused" {
  command = plan

  variables {
    region = {
      name         = "eu-central"
      cloud_region = "eu-central-1"
      jurisdiction = "eu"
      network = {
        cidr  = "10.16.0.0/16"
        zones = ["eu-central-1a", "eu-central-1b", "us-east-1c"]
      }
    }
  }

  expect_failures = [var.region]
}

run "flow_logs_are_not_kept_for_a_year" {
  command = plan

  variables {
    log_days = 365
  }

  expect_failures = [var.log_days]
}

run "a_backbone_is_a_core_network" {
  command = plan

  variables {
    core_network_arn = "arn:aws:ec2:eu-central-1:111122223333:transit-gateway/tgw-1"
  }

  expect_failures = [var.core_network_arn]
}
