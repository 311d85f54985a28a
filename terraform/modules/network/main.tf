# The private network of one region: nothing in it is reached from outside but through what stands
# in the public subnets.

locals {
  tags = {
    "meridian:region"       = var.region.name
    "meridian:jurisdiction" = var.region.jurisdiction
  }

  # A zone's letter is its place in every tier, so a zone that comes or goes moves no other.
  letters = ["a", "b", "c", "d", "e", "f", "g", "h"]
  places = {
    for zone in var.region.network.zones :
    zone => try(index(local.letters, substr(zone, -1, 1)), 0)
  }

  # The first half is private, the third quarter the database's, the last one public.
  tiers = {
    private  = { newbits = 4, first = 0, personal_data = "transit", role = "internal-elb" }
    database = { newbits = 5, first = 16, personal_data = "stored", role = null }
    public   = { newbits = 5, first = 24, personal_data = "transit", role = "elb" }
  }
  subnets = merge([
    for tier, it in local.tiers : {
      for zone, place in local.places : "${tier}/${zone}" => {
        tier = tier
        zone = zone
        cidr = cidrsubnet(var.region.network.cidr, it.newbits, it.first + place)
      }
    }
  ]...)
}

resource "aws_vpc" "this" {
  region               = var.region.cloud_region
  cidr_block           = var.region.network.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}"
    "meridian:personal-data" = "stored"
  })
}

# Whoever forgets to name a security group gets one that lets nothing through.
resource "aws_default_security_group" "closed" {
  region = var.region.cloud_region
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-closed"
    "meridian:personal-data" = "none"
  })
}

resource "aws_subnet" "this" {
  for_each = local.subnets

  region                  = var.region.cloud_region
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.value.zone
  cidr_block              = each.value.cidr
  map_public_ip_on_launch = false

  tags = merge(
    local.tags,
    {
      Name                     = "meridian-${var.region.name}-${each.value.tier}-${each.value.zone}"
      "meridian:personal-data" = local.tiers[each.value.tier].personal_data
    },
    # How Kubernetes finds the subnets of its load balancers.
    local.tiers[each.value.tier].role == null ? {} : {
      "kubernetes.io/role/${coalesce(local.tiers[each.value.tier].role, "none")}" = "1"
    },
  )
}

resource "aws_internet_gateway" "this" {
  region = var.region.cloud_region
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}"
    "meridian:personal-data" = "transit"
  })
}

# A way out per zone: a zone that is lost takes no other with it.
resource "aws_eip" "way_out" {
  for_each = local.places

  region = var.region.cloud_region
  domain = "vpc"

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-${each.key}"
    "meridian:personal-data" = "none"
  })
}

resource "aws_nat_gateway" "this" {
  for_each = local.places

  region        = var.region.cloud_region
  allocation_id = aws_eip.way_out[each.key].id
  subnet_id     = aws_subnet.this["public/${each.key}"].id

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-${each.key}"
    "meridian:personal-data" = "transit"
  })

  depends_on = [aws_internet_gateway.this]
}

resource "aws_flow_log" "this" {
  region               = var.region.cloud_region
  vpc_id               = aws_vpc.this.id
  traffic_type         = "ALL"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow.arn
  iam_role_arn         = aws_iam_role.flow.arn

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}"
    "meridian:personal-data" = "transit"
  })
}

resource "aws_cloudwatch_log_group" "flow" {
  region            = var.region.cloud_region
  name              = "/meridian/${var.region.name}/flow"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn

  tags = merge(local.tags, { "meridian:personal-data" = "stored" })
}

resource "aws_iam_role" "flow" {
  name = "meridian-${var.region.name}-flow-logs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
    }]
  })

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_iam_role_policy" "flow" {
  name = "write"
  role = aws_iam_role.flow.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.flow.arn}:*"
    }]
  })
}
