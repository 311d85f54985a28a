# The region's cache: what can be computed again, and nothing about a person. Losing all of it costs
# time, not truth; every zone has a node, so losing a zone costs not even that.

locals {
  name = "meridian-${var.region.name}"
  tags = {
    "meridian:region"        = var.region.name
    "meridian:jurisdiction"  = var.region.jurisdiction
    "meridian:personal-data" = "none"
  }
  port = 6379
}

resource "aws_security_group" "this" {
  region      = var.region.cloud_region
  name        = "${local.name}-cache"
  description = "The cache of ${var.region.name}"
  vpc_id      = var.vpc_id

  tags = merge(local.tags, { Name = "${local.name}-cache" })
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  region                       = var.region.cloud_region
  security_group_id            = aws_security_group.this.id
  description                  = "Nodes of the region"
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port

  tags = local.tags
}

resource "aws_elasticache_subnet_group" "this" {
  region      = var.region.cloud_region
  name        = local.name
  description = "The cache of ${var.region.name}"
  subnet_ids  = values(var.subnet_ids)

  tags = local.tags
}

resource "aws_elasticache_parameter_group" "this" {
  region      = var.region.cloud_region
  name        = "${local.name}-valkey${split(".", var.engine_version)[0]}"
  description = "When the cache of ${var.region.name} is full, the least used goes"
  family      = "valkey${split(".", var.engine_version)[0]}"

  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lfu"
  }

  tags = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_replication_group" "this" {
  region               = var.region.cloud_region
  replication_group_id = local.name
  description          = "The cache of ${var.region.name}"
  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.node_type
  port                 = local.port
  parameter_group_name = aws_elasticache_parameter_group.this.name
  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [aws_security_group.this.id]

  num_cache_clusters         = length(var.region.network.zones)
  automatic_failover_enabled = true
  multi_az_enabled           = true

  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token_wo              = var.auth_token
  auth_token_wo_version      = var.auth_token_version
  auth_token_update_strategy = "ROTATE"

  # A snapshot of what can be computed again is a copy too many.
  snapshot_retention_limit = 0

  tags = local.tags
}
