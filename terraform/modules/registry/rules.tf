# The rules of the regions crate, each with the same sentence (regions/src/rules.rs, change.rs).

locals {
  states = [
    "planned", "provisioning", "joining", "active", "draining", "drained", "removing", "removed",
  ]
  next = {
    planned      = ["provisioning"]
    provisioning = ["joining"]
    joining      = ["active"]
    active       = ["draining"]
    draining     = ["active", "drained"]
    drained      = ["removing"]
    removing     = ["removed"]
    removed      = []
  }
  fields = {
    "" = [
      "$schema", "name", "id_tag", "state", "cloud", "cloud_region", "locality", "primary",
      "jurisdiction", "place", "coordinates", "homes", "dns", "endpoints", "network", "capacity",
      "contacts",
    ]
    coordinates = ["latitude", "longitude"]
    dns         = ["continents", "default", "countries", "weight", "bias", "fallbacks"]
    endpoints   = ["api", "peer", "ipv4", "ipv6"]
    network     = ["cidr", "zones"]
    capacity    = ["requests_per_second", "nodes_min", "nodes_max", "database_nodes"]
    contacts    = ["operations", "privacy"]
  }
  optional = ["$schema", "bias", "peer"]
  shape    = "does not fit schema/region.schema.json:"

  names        = sort(keys(local.regions))
  active       = [for name in local.names : name if local.regions[name].state == "active"]
  primaries    = [for name in local.names : name if local.regions[name].primary]
  defaults     = [for name in local.names : name if try(local.alive[name].default, false)]
  homes        = { for code in keys(local.countries) : code => [for name in local.names : name if contains(local.regions[name].homes, code)] }
  law_of       = { for pair in flatten([for code, law in local.jurisdictions : [for country in try(law.residents, []) : { country = country, code = code }]]) : pair.country => pair.code... }
  continents   = { for code in ["AF", "AN", "AS", "EU", "NA", "OC", "SA"] : code => [for name in local.names : name if contains(try(local.alive[name].continents, []), code)] }
  dns_claims   = flatten([for name in local.names : try(local.alive[name].countries, [])])
  several      = "leave it in one"
  said_network = "no /16 to /20 inside 10.0.0.0/8; write one, from its first address"

  # First and behind the last address of each network, as numbers.
  spans = {
    for name, it in local.regions : name => try({
      length = tonumber(split("/", it.network.cidr)[1])
      first = sum([
        for place, octet in split(".", split("/", it.network.cidr)[0]) :
        tonumber(octet) * pow(256, 3 - place)
      ])
      size = pow(2, 32 - tonumber(split("/", it.network.cidr)[1]))
      }, {
      length = 0, first = 0, size = 0
    }) if it.state != "removed"
  }

  broken_shape = flatten([
    for stem, it in local.files : [
      [
        for part, known in local.fields : [
          [
            for field in setsubtract(try(part == "" ? keys(it) : keys(it[part]), []), known) :
            "${stem}.json: ${local.shape} unknown field `${field}`; take it away"
          ],
          [
            for field in setsubtract(known, concat(local.optional, try(part == "" ? keys(it) : keys(it[part]), []))) :
            "${stem}.json: ${local.shape} missing field `${field}`; add it"
          ],
        ]
      ],
      contains(local.states, try(tostring(it.state), "")) ? [] : [
        "${stem}.json: ${local.shape} unknown variant `${try(tostring(it.state), "")}`, expected one of ${join(", ", local.states)}"
      ],
      [
        for country in setsubtract(concat(try(tolist(it.homes), []), try(tolist(it.dns.countries), [])), keys(local.countries)) :
        "${stem}.json: ${local.shape} not an ISO 3166-1 alpha-2 country: ${country}; write its two letters"
      ],
      can(cidrhost(it.network.cidr, 0)) ? [] : [
        "${stem}.json: ${local.shape} invalid IP address syntax in network.cidr; write it like 10.16.0.0/16"
      ],
    ]
  ])

  broken_names = flatten([
    [
      for it in values(local.regions) :
      "${it.stem}.json: name is \"${it.name}\"; rename the file or the region so both agree"
      if it.stem != it.name
    ],
    [
      for name, them in local.all :
      "${name}.json: name \"${name}\" is taken by ${them[0].stem}; choose another, never reused"
      if length(them) > 1
    ],
    [
      for field in ["id_tag", "locality"] : [
        for value, them in { for name in local.names : local.regions[name][field] => name... } :
        "${them[1]}.json: ${field} \"${value}\" is taken by ${them[0]}; choose another, never reused"
        if length(them) > 1
      ]
    ],
  ])

  broken_primary = (
    length(local.primaries) == 0 ? ["*.json: no region is primary; set \"primary\": true in exactly one"] :
    length(local.primaries) > 1 ? ["*.json: ${join(", ", local.primaries)} are all primary; leave \"primary\": true in one"] :
    contains(keys(local.alive), local.primaries[0]) ? [] :
    ["${local.primaries[0]}.json: the primary region is ${local.regions[local.primaries[0]].state}; make a region that holds rows primary"]
  )

  broken_active = length(local.active) >= 3 ? [] : [
    "*.json: ${length(local.active)} region(s) active; at least 3 are needed to leave the database cluster a majority when one is lost, so bring one up before taking another away"
  ]

  broken_laws = flatten([
    [
      for country, codes in local.law_of :
      "policy/jurisdictions.json: ${country} is a resident country of both ${join(" and ", codes)}; ${local.several}"
      if length(codes) > 1
    ],
    [
      for name, it in local.regions : concat(
        contains(keys(local.jurisdictions), it.jurisdiction) ? [] : [
          "${name}.json: jurisdiction \"${it.jurisdiction}\" is not in policy/jurisdictions.json; add it first"
        ],
        [
          for country in it.homes :
          "${name}.json: homes ${country}, whose residents must stay under \"${local.law_of[country][0]}\"; move it to a region of that jurisdiction"
          if try(local.law_of[country][0] != it.jurisdiction, false)
        ]
      )
    ],
  ])

  broken_fallbacks = flatten([
    for name, it in local.regions : [
      for to in it.fallbacks : (
        !contains(local.names, to) ? ["${name}.json: fallback \"${to}\" is no region; name one that exists"] :
        to == name ? ["${name}.json: falls back to itself; name another region or none"] :
        local.regions[to].jurisdiction == it.jurisdiction ? [] :
        ["${name}.json: fallback \"${to}\" is under \"${local.regions[to].jurisdiction}\"; a fallback stays inside \"${it.jurisdiction}\""]
      )
    ]
  ])

  broken_steering = flatten([
    for name, it in local.regions : [
      it.weight > 100 ? ["${name}.json: weight ${it.weight} is more than all; write 0 to 100 percent"] : [],
      abs(it.bias) > 99 ? ["${name}.json: bias ${it.bias} leaves no distance; write -99 to 99 percent"] : [],
    ]
  ])

  broken_networks = flatten([
    for name, it in local.regions : concat(
      try(cidrsubnet(it.network.cidr, 0, 0), "") == it.network.cidr && startswith(it.network.cidr, "10.") &&
      try(local.spans[name].length >= 16 && local.spans[name].length <= 20, true) ? [] : [
        "${name}.json: network ${it.network.cidr} is ${local.said_network}"
      ],
      [
        for other in local.names :
        "${name}.json: network ${it.network.cidr} overlaps ${local.regions[other].network.cidr} of ${other}; choose one that nobody has"
        if index(local.names, other) < index(local.names, name) && try(
          local.spans[name].first < local.spans[other].first + local.spans[other].size &&
        local.spans[other].first < local.spans[name].first + local.spans[name].size, false)
      ],
      length(distinct(it.network.zones)) >= 3 ? [] : [
        "${name}.json: ${length(distinct(it.network.zones))} zone(s) named; a quorum needs 3 that fail apart, so name more"
      ],
      it.capacity.database_nodes > 0 && it.capacity.database_nodes % max(1, length(distinct(it.network.zones))) == 0 ? [] : [
        "${name}.json: ${it.capacity.database_nodes} database nodes do not spread over ${length(distinct(it.network.zones))} zones alike; write a multiple"
      ],
      # Of Route 53 only: it has no way to answer for one family and not for the other.
      length(it.endpoints.ipv4) > 0 && length(it.endpoints.ipv6) > 0 || !contains(keys(local.serves), name) ? [] : [
        "${name}.json: endpoints lack ipv4 or ipv6; give both, or A and AAAA would lead to different regions"
      ],
    )
  ])

  broken_peers = flatten([
    for name, it in local.regions : it.endpoints.peer == null ? [] : concat(
      can(regex("^https://[a-z0-9.-]+(:[0-9]{1,5})?$", it.endpoints.peer)) ? [] : [
        "${name}.json: peer ${it.endpoints.peer} is no https:// origin in small letters; write a name, a port, no path"
      ],
      [
        for other in local.names :
        "${name}.json: peer ${it.endpoints.peer} is that of ${other}; each region has its own"
        if index(local.names, other) < index(local.names, name) &&
        try(local.regions[other].endpoints.peer == it.endpoints.peer, false)
      ],
    )
  ])

  broken_hosts = flatten([
    for name, host in local.hosts : (
      host.fence == null ? [] :
      !contains(keys(local.jurisdictions), coalesce(host.fence, "-")) ?
      ["policy/hosts.json: host \"${name}\": fence \"${host.fence}\" is not in policy/jurisdictions.json; add it first"] :
      anytrue([for it in values(local.serves) : it.jurisdiction == host.fence]) ? [] :
      ["policy/hosts.json: host \"${name}\": fence \"${host.fence}\" holds no region that serves; keep one, or take the host away first"]
    )
  ])

  broken_claims = flatten([
    [
      for code, them in local.continents : (
        length(them) == 0 ? ["*.json: continent ${code} is claimed by no region; give it to exactly one"] :
        length(them) > 1 ? ["*.json: continent ${code} is claimed by ${join(", ", them)}; ${local.several}"] : []
      )
    ],
    length(local.defaults) == 0 ? ["*.json: the default is claimed by no region; give it to exactly one"] :
    length(local.defaults) > 1 ? ["*.json: the default is claimed by ${join(", ", local.defaults)}; ${local.several}"] : [],
    [
      for country in distinct(local.dns_claims) : "*.json: dns country ${country} is claimed twice; leave it in one region"
      if length([for it in local.dns_claims : it if it == country]) > 1
    ],
  ])

  broken_homes = flatten([
    for country, them in local.homes : (
      length(them) == 0 && !contains(keys(local.unhomed), country) ?
      ["*.json: ${country} is homed by no region; add it to one, or to policy/unhomed.json with the reason"] :
      length(them) > 0 && contains(keys(local.unhomed), country) ?
      ["*.json: ${country} is homed by ${join(", ", them)} and listed in policy/unhomed.json; keep one"] :
      length(them) > 1 ? ["*.json: ${country} is homed by ${join(", ", them)}; ${local.several}"] : []
    )
  ])

  # From one revision to the next.
  old = { for stem, it in local.before : try(tostring(it.name), stem) => it }
  broken_steps = flatten([
    [
      for name in setsubtract(keys(local.old), local.names) :
      "${name}.json: is gone; keep it with \"state\": \"removed\", so that its tag is never used again"
    ],
    var.before_dir == null ? [] : [
      for name in setsubtract(local.names, keys(local.old)) :
      "${name}.json: state begins as ${local.regions[name].state} and must begin as planned; add the file first, then take one step at a time"
      if local.regions[name].state != "planned"
    ],
    [
      for name in setintersection(keys(local.old), local.names) : concat(
        local.regions[name].state == try(local.old[name].state, "") ||
        contains(try(local.next[local.old[name].state], []), local.regions[name].state) ? [] : [
          "${name}.json: state goes from ${try(local.old[name].state, "")} to ${local.regions[name].state} and may go to ${try(length(local.next[local.old[name].state]) > 0 ? join(" or ", local.next[local.old[name].state]) : "stay", "stay")}; take one step at a time"
        ],
        [
          for field, stands in { id_tag = "ids", locality = "rows" } :
          "${name}.json: ${field} goes from \"${try(local.old[name][field], "")}\" to \"${local.regions[name][field]}\" and stands in ${stands}; add another region and move the rows instead"
          if try(local.old[name][field], "") != local.regions[name][field]
        ]
      )
    ],
  ])

  broken = length(local.broken_shape) > 0 ? local.broken_shape : concat(
    local.broken_names, local.broken_primary, local.broken_active, local.broken_laws,
    local.broken_fallbacks, local.broken_steering, local.broken_networks, local.broken_peers,
    local.broken_hosts, local.broken_claims, local.broken_homes, local.broken_steps,
  )
}

# Everything that leaves this module waits for it.
resource "terraform_data" "guard" {
  input = length(local.regions)

  lifecycle {
    precondition {
      condition     = length(local.broken) == 0
      error_message = "The regions break ${length(local.broken)} rule(s):\n${join("\n", local.broken)}"
    }
  }
}
