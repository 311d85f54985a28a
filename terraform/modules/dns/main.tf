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

resource "aws_route53_record" "this" {
  for_each = var.records

  zone_id         = aws_route53_zone.this.zone_id
  name            = each.value.name
  type            = each.value.type
  set_identifier  = each.value.set_identifier
  ttl             = each.value.ttl
  records         = each.value.values
  health_check_id = each.value.health == null ? null : aws_route53_health_check.this[each.value.health].id

  dynamic "alias" {
    for_each = each.value.alias == null ? [] : [each.value]
    content {
      name                   = alias.value.alias
      zone_id                = aws_route53_zone.this.zone_id
      evaluate_target_health = alias.value.evaluate
    }
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

  dynamic "geolocation_routing_policy" {
    for_each = each.value.country == null && each.value.continent == null ? [] : [each.value]
    content {
      country   = geolocation_routing_policy.value.country
      continent = geolocation_routing_policy.value.continent
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
}
