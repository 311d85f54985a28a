# Where packets go: out by the zone's own gateway, to object storage without leaving the cloud, and
# to the other regions over the backbone, where there is one.

resource "aws_route_table" "public" {
  region = var.region.cloud_region
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-public"
    "meridian:personal-data" = "transit"
  })
}

resource "aws_route" "public" {
  region                 = var.region.cloud_region
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table" "private" {
  for_each = local.places

  region = var.region.cloud_region
  vpc_id = aws_vpc.this.id

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-${each.key}"
    "meridian:personal-data" = "transit"
  })
}

resource "aws_route" "private" {
  for_each = local.places

  region                 = var.region.cloud_region
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.key].id
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  region    = var.region.cloud_region
  subnet_id = aws_subnet.this[each.key].id
  route_table_id = (
    each.value.tier == "public"
    ? aws_route_table.public.id
    : aws_route_table.private[each.value.zone].id
  )
}

# Backups go to their bucket this way: not through the gateways, and not over the internet.
resource "aws_vpc_endpoint" "s3" {
  region            = var.region.cloud_region
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region.cloud_region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for zone in keys(local.places) : aws_route_table.private[zone].id]

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}-s3"
    "meridian:personal-data" = "transit"
  })
}

# Network Manager is one service for the whole world; the attachment lies where its network does.
resource "aws_networkmanager_vpc_attachment" "backbone" {
  count = var.core_network_arn == null ? 0 : 1

  core_network_id = split("/", var.core_network_arn)[1]
  vpc_arn         = aws_vpc.this.arn
  subnet_arns     = [for zone in keys(local.places) : aws_subnet.this["database/${zone}"].arn]

  tags = merge(local.tags, {
    Name                     = "meridian-${var.region.name}"
    "meridian:personal-data" = "transit"
  })
}

resource "aws_route" "backbone" {
  for_each = var.core_network_arn == null ? {} : local.places

  region                 = var.region.cloud_region
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "10.0.0.0/8"
  core_network_arn       = var.core_network_arn

  depends_on = [aws_networkmanager_vpc_attachment.backbone]
}
