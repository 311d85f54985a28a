# The zone as Route 53 serves it. Everything was decided in the registry; failover rides on the
# health checks alone, so that no apply stands in the way of a recovery.

resource "aws_route53_zone" "this" {
  name    = var.zone
  comment = "Travellers' front door; records come from regions/"

  # Records can be changed within the hour even while the control plane's own region is away.
  enable_accelerated_recovery = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_route53_health_check" "this" {
  for_each = var.health_checks

  type              = "HTTPS"
  fqdn              = each.value.fqdn
  port              = 443
  resource_path     = each.value.path
  request_interval  = var.request_interval
  failure_threshold = var.failure_threshold
  measure_latency   = false

  # A check that is switched off says yes to everything, and turned around no: a region whose file
  # says that it drains gets nobody new whatever it says itself.
  disabled           = each.value.forced_sick
  invert_healthcheck = each.value.forced_sick

  tags = {
    Name              = each.key
    "meridian:region" = each.value.region
  }
}

# Route 53 takes an alias only when its target is there, and answers nothing where a target has
# gone. So records come in four layers, each after the one before, and go in the other order, after
# what led to them was turned elsewhere (create_before_destroy says that of those without a successor,
# too): values, the steps that pass people on, the countries of a continent, and the hosts.
locals {
  leaves = { for key, it in var.records : key => it if it.values != null }
  steps  = { for key, it in local.aliases : key => it if it.country == null && it.continent == null }
  places = { for key, it in local.placed : key => it if strcontains(it.name, ".where.") }
  hosts  = { for key, it in local.placed : key => it if !strcontains(it.name, ".where.") }

  aliases = { for key, it in var.records : key => it if it.alias != null }
  placed  = { for key, it in local.aliases : key => it if it.country != null || it.continent != null }
}

resource "aws_route53_record" "leaf" {
  for_each = local.leaves

  zone_id         = aws_route53_zone.this.zone_id
  name            = each.value.name
  type            = each.value.type
  set_identifier  = each.value.set_identifier
  ttl             = each.value.ttl
  records         = each.value.values
  health_check_id = each.value.health == null ? null : aws_route53_health_check.this[each.value.health].id

  dynamic "weighted_routing_policy" {
    for_each = each.value.weight == null ? [] : [each.value.weight]
    content {
      weight = weighted_routing_policy.value
    }
  }

  dynamic "failover_routing_policy" {
    for_each = each.value.failover == null ? [] : [each.value.failover]
    content {
      type = failover_routing_policy.value
    }
  }

  dynamic "geoproximity_routing_policy" {
    for_each = each.value.latitude == null ? [] : [each.value]
    content {
      bias = geoproximity_routing_policy.value.bias
      coordinates {
        latitude  = geoproximity_routing_policy.value.latitude
        longitude = geoproximity_routing_policy.value.longitude
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "step" {
  for_each = local.steps

  zone_id        = aws_route53_zone.this.zone_id
  name           = each.value.name
  type           = each.value.type
  set_identifier = each.value.set_identifier

  alias {
    name                   = each.value.alias
    zone_id                = aws_route53_zone.this.zone_id
    evaluate_target_health = each.value.evaluate
  }

  dynamic "weighted_routing_policy" {
    for_each = each.value.weight == null ? [] : [each.value.weight]
    content {
      weight = weighted_routing_policy.value
    }
  }

  dynamic "failover_routing_policy" {
    for_each = each.value.failover == null ? [] : [each.value.failover]
    content {
      type = failover_routing_policy.value
    }
  }

  depends_on = [aws_route53_record.leaf]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "place" {
  for_each = local.places

  zone_id        = aws_route53_zone.this.zone_id
  name           = each.value.name
  type           = each.value.type
  set_identifier = each.value.set_identifier

  alias {
    name                   = each.value.alias
    zone_id                = aws_route53_zone.this.zone_id
    evaluate_target_health = each.value.evaluate
  }

  geolocation_routing_policy {
    country = each.value.country
  }

  depends_on = [aws_route53_record.step]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "host" {
  for_each = local.hosts

  zone_id        = aws_route53_zone.this.zone_id
  name           = each.value.name
  type           = each.value.type
  set_identifier = each.value.set_identifier

  alias {
    name                   = each.value.alias
    zone_id                = aws_route53_zone.this.zone_id
    evaluate_target_health = each.value.evaluate
  }

  geolocation_routing_policy {
    country   = each.value.country
    continent = each.value.continent
  }

  depends_on = [aws_route53_record.place]
}
