# From orders to the records of Route 53.
#
# A geolocation record per country leads to a chain. The chain's steps r0, r1, ... each take a region's
# weight while the region is ready and pass the others on to the next that is; if none is, the chain
# goes on to l0, l1, ..., which take a region that is at least alive, and behind those to the
# nearest, whatever its health. So the chain always ends, inside its fence, in the region that our
# own name server names for the same health. A region that drains or has weight 0 changes no step:
# its health check says that it is not ready.

locals {
  # The order of each host and place, as far as its fence and the regions' life allow.
  lanes = {
    for host, policy in local.hosts : host => {
      for place, order in try(local.orders[policy.steering], {}) : place => [
        for name in order : name if contains(keys(local.serves), name) &&
        (policy.fence == null || try(local.regions[name].jurisdiction, "") == policy.fence)
      ]
    }
  }
  # Chains by the tags of their regions, in order.
  tags = { for name, it in local.regions : name => it.id_tag }
  chains = {
    for key, orders in {
      for order in flatten([
        for host, places in local.lanes : [for place, order in places : { order = order }]
      ]) : join("-", [for name in order.order : local.tags[name]]) => order.order...
    } : key => orders[0] if length(orders[0]) > 0
  }

  families = { A = "ipv4", AAAA = "ipv6" }
  record = {
    ttl            = null
    values         = null
    alias          = null
    evaluate       = null
    weight         = null
    failover       = null
    country        = null
    continent      = null
    latitude       = null
    longitude      = null
    bias           = null
    health         = null
    set_identifier = null
  }

  # Places that Route 53 has no name for.
  unnamed = ["BV", "CX", "EH", "HM"]

  # Route 53 takes 100 geolocation records a name and type (its quotas on records), so there are two
  # levels: a host leads each continent to a name of its own, which leads its countries to chains.
  # Who knows better than we where a country lies may look under either continent.
  doubtful = {
    AM = "EU", AZ = "EU", CY = "AS", EG = "AS", GE = "EU", KZ = "EU", RU = "AS", TR = "EU",
    TL = "AS", ID = "OC", PA = "SA", TT = "SA", GL = "EU", UM = "NA", XK = "AS",
  }
  under = {
    for code in keys(local.continents) : code => concat(["continent ${code}"], [
      for country, it in local.countries : country if !contains(local.unnamed, country) && (
        it.continent == code || try(local.doubtful[country], "") == code
      )
    ])
  }
  chain_of = {
    for host, places in local.lanes : host => {
      for place, order in places : place => "go.${join("-", [
        for name in order : local.tags[name]
      ])}.steer.${var.zone}" if length(order) > 0
    }
  }

  # Never looking at the target's health: a fence would leak to the default record when everybody
  # inside is sick.
  geolocation = flatten([
    for host, chains in local.chain_of : [
      for type in keys(local.families) : concat(
        [
          for code in keys(local.under) : merge(local.record, {
            name           = "${host}.${var.zone}"
            type           = type
            set_identifier = "continent-${code}"
            continent      = code
            alias          = "${lower(code)}.${host}.where.${var.zone}"
            evaluate       = false
          }) if contains(keys(chains), "continent ${code}")
        ],
        [
          for code, places in local.under : [
            for place in places : merge(local.record, {
              name           = "${lower(code)}.${host}.where.${var.zone}"
              type           = type
              set_identifier = startswith(place, "continent ") ? "default" : place
              country        = startswith(place, "continent ") ? "*" : place
              alias          = chains[place]
              evaluate       = false
            }) if contains(keys(chains), place)
          ]
        ],
        [
          for place in ["*"] : merge(local.record, {
            name           = "${host}.${var.zone}"
            type           = type
            set_identifier = "default"
            country        = "*"
            alias          = chains[place]
            evaluate       = false
          }) if contains(keys(chains), place)
        ],
      )
    ]
  ])

  steps = flatten([
    for key, order in local.chains : [
      for type, family in local.families : concat(
        [
          for role, to in { PRIMARY = "r0", SECONDARY = "l0" } : merge(local.record, {
            name           = "go.${key}.steer.${var.zone}"
            type           = type
            set_identifier = role == "PRIMARY" ? "ready" : "alive"
            failover       = role
            alias          = "${to}.${key}.steer.${var.zone}"
            evaluate       = true
          })
        ],
        [
          for at, name in order : merge(local.record, {
            name           = "r${at}.${key}.steer.${var.zone}"
            type           = type
            set_identifier = "take"
            weight         = local.regions[name].weight
            ttl            = var.ttl.geo
            values         = local.regions[name].endpoints[family]
            health         = "${name} ready"
          })
        ],
        [
          for at, name in order : merge(local.record, {
            name           = "r${at}.${key}.steer.${var.zone}"
            type           = type
            set_identifier = "pass"
            weight         = 100 - local.regions[name].weight
            alias          = "r${at + 1}.${key}.steer.${var.zone}"
            evaluate       = true
          }) if at + 1 < length(order)
        ],
        [
          for at, name in order : merge(local.record, {
            name           = "l${at}.${key}.steer.${var.zone}"
            type           = type
            set_identifier = "take"
            failover       = "PRIMARY"
            ttl            = var.ttl.geo
            values         = local.regions[name].endpoints[family]
            health         = "${name} alive"
          })
        ],
        [
          for at, name in order : merge(local.record, {
            name           = "l${at}.${key}.steer.${var.zone}"
            type           = type
            set_identifier = "pass"
            failover       = "SECONDARY"
            alias          = "${at + 1 < length(order) ? "l${at + 1}" : "last"}.${key}.steer.${var.zone}"
            evaluate       = true
          })
        ],
        [
          merge(local.record, {
            name   = "last.${key}.steer.${var.zone}"
            type   = type
            ttl    = var.ttl.geo
            values = local.regions[order[0]].endpoints[family]
          })
        ],
      )
    ]
  ])

  # Route 53 measures by its own map: shorter, and only statistically the same.
  geoproximity = flatten([
    for host, policy in local.hosts : [
      for name, it in local.serves : [
        for type, family in local.families : merge(local.record, {
          name           = "${host}.${var.zone}"
          type           = type
          set_identifier = name
          latitude       = format("%.2f", it.latitude)
          longitude      = format("%.2f", it.longitude)
          bias           = it.bias
          ttl            = var.ttl.geo
          values         = it.endpoints[family]
          health         = "${name} ready"
        })
      ] if policy.fence == null || it.jurisdiction == try(policy.fence, "")
    ]
  ])

  # Always the same region, whatever its health.
  direct = flatten([
    for name, it in local.regions : [
      for type, family in local.families : merge(local.record, {
        name   = "${name}.api.${var.zone}"
        type   = type
        ttl    = var.ttl.static
        values = it.endpoints[family]
      }) if length(it.endpoints[family]) > 0
    ]
  ])

  # Nothing is decided while a rule is broken.
  records = {
    for it in concat(
      [for it in local.geolocation : it if var.mode == "exact"],
      [for it in local.steps : it if var.mode == "exact"],
      [for it in local.geoproximity : it if var.mode == "native"],
      local.direct,
    ) : trimspace("${it.name} ${it.type} ${coalesce(it.set_identifier, " ")}") => it
    if length(local.broken) == 0
  }

  health_checks = merge([
    for name, it in local.serves : {
      "${name} ready" = {
        region = name
        fqdn   = try(regex("^https?://([^/:]+)", it.endpoints.api)[0], "")
        path   = "/edge-health"
        # Says no whatever the region says.
        forced_sick = it.state != "active" || it.weight == 0
      }
      "${name} alive" = {
        region      = name
        fqdn        = try(regex("^https?://([^/:]+)", it.endpoints.api)[0], "")
        path        = "/livez"
        forced_sick = false
      }
    }
  ]...)

  # The smallest first, the primary last: what is wrong with a version is seen where it hurts least.
  rollout = [
    for key in sort([
      for name, it in local.built : join("/", [
        it.primary ? "1" : "0", format("%012d", it.capacity.requests_per_second), name,
      ])
    ]) : split("/", key)[2]
  ]
  waves = { for place, name in local.rollout : name => place + 1 }
}
