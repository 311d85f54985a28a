# Which region is nearest to whom: the order of preference for every country, the same as
# geo-routing/src/policy.rs. Terraform has no trigonometry, so a series and a polynomial stand in;
# the distances are right to a metre.

locals {
  # Coefficients of the sine and the cosine (Taylor): enough for half a turn at 1e-13.
  sine_of = [
    1, -6, 120, -5040, 362880, -39916800, 6227020800, -1307674368000, 355687428096000,
    -121645100408832000, 51090942171709440000, -25852016738884976640000,
  ]
  cosine_of = [
    1, -2, 24, -720, 40320, -3628800, 479001600, -87178291200, 20922789888000,
    -6402373705728000, 2432902008176640000, -1124000727777607680000, 620448401733239439360000,
  ]
  # The arc sine, to 2e-8 (Abramowitz and Stegun, Handbook of Mathematical Functions, 4.4.46).
  arcsine_of = [
    1.5707963050, -0.2145988016, 0.0889789874, -0.0501743046, 0.0308918810, -0.0170881256,
    0.0066700901, -0.0012624911,
  ]
  half_turn       = 3.14159265358979323846
  earth_radius_km = 6371.0088

  # Where distances are measured from: a country's centre; for a continent, or for nobody knows
  # where, the region that claims it.
  points = merge(
    { for code, it in local.countries : code => { latitude = tonumber(it.lat), longitude = tonumber(it.lon) } },
    { for code, them in local.continents : "continent ${code}" => try(local.regions[them[0]], { latitude = 0, longitude = 0 }) },
    { "*" = try(local.regions[local.defaults[0]], { latitude = 0, longitude = 0 }) },
    { for name, it in local.regions : "region ${name}" => it },
  )
  angles = {
    for point, it in local.points : point => {
      latitude  = it.latitude * local.half_turn / 180
      longitude = it.longitude * local.half_turn / 180
    }
  }
  # On a sphere of radius 1.
  vectors = {
    for point, it in { for point, angle in local.angles : point => {
      sin_latitude  = sum([for k, c in local.sine_of : pow(angle.latitude, 2 * k + 1) / c])
      cos_latitude  = sum([for k, c in local.cosine_of : pow(angle.latitude, 2 * k) / c])
      sin_longitude = sum([for k, c in local.sine_of : pow(angle.longitude, 2 * k + 1) / c])
      cos_longitude = sum([for k, c in local.cosine_of : pow(angle.longitude, 2 * k) / c])
    } } : point => [it.cos_latitude * it.cos_longitude, it.cos_latitude * it.sin_longitude, it.sin_latitude]
  }

  places = [for point in keys(local.points) : point if !startswith(point, "region ")]
  # Half of the straight line through the Earth, then the way around it, then the bias.
  halves = {
    for place in local.places : place => {
      for name in local.names : name => min(1, pow(sum([
        for axis in [0, 1, 2] :
        pow(local.vectors[place][axis] - local.vectors["region ${name}"][axis], 2)
      ]), 0.5) / 2)
    }
  }
  kilometres = {
    for place, halves in local.halves : place => {
      for name, half in halves : name => 2 * local.earth_radius_km * (
        local.half_turn / 2 - pow(1 - half, 0.5) * sum([for k, c in local.arcsine_of : c * pow(half, k)])
      ) * (1 - local.regions[name].bias / 100)
    }
  }

  continent_of = merge(
    { for code, it in local.countries : code => it.continent },
    { for code in keys(local.continents) : "continent ${code}" => code },
  )
  # First whoever lists the country, then who claims the continent where steering asks for that,
  # then by distance, then by name.
  ranked = {
    for steering in ["nearest", "map"] : steering => {
      for place in local.places : place => [
        for key in sort([
          for name in local.names : join("/", [
            contains(local.regions[name].countries, place) ? "0" : "1",
            steering == "map" && name == try(local.continents[local.continent_of[place]][0], local.defaults[0], "") ? "0" : "1",
            format("%014.6f", local.kilometres[place][name]),
            name,
          ])
        ]) : split("/", key)[3]
      ]
    }
  }
  # Right behind the first come its own fallbacks.
  orders = {
    for steering, places in local.ranked : steering => {
      for place, ranked in places : place => distinct(concat(
        [for name in slice(ranked, 0, min(1, length(ranked))) : name],
        try(local.regions[ranked[0]].fallbacks, []),
        ranked,
      ))
    }
  }
}
