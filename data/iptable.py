"""Compiles the address-to-country table of the DNS server."""

import bisect
import datetime
import ipaddress
import struct

UNKNOWN = "ZZ"
MAGIC = b"MIPC1\n"

# Special-purpose addresses (RFC 6890 and its registries) belong to no country,
# whatever a database says: some data sets put private networks in a real one.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
::/128 ::1/128 ::ffff:0:0/96 64:ff9b::/96 100::/64 2001::/23 2001:db8::/32
2002::/16 fc00::/7 fe80::/10 ff00::/8
""".split()


def merge(rows):
    """Leaves out every row that repeats the country of the row before it."""
    merged = []
    for start, country in rows:
        if not merged or merged[-1][1] != country:
            merged.append((start, country))
    return merged


def force_unknown(rows, network):
    """Sets one network to unknown in a sorted list that starts at address 0."""
    first = int(network.network_address)
    after = int(network.broadcast_address) + 1
    starts = [start for start, _ in rows]
    left = bisect.bisect_left(starts, first)
    right = bisect.bisect_left(starts, after)
    middle = [(first, UNKNOWN)]
    if after < 1 << network.max_prefixlen and (right == len(rows) or starts[right] != after):
        middle.append((after, rows[right - 1][1]))
    rows[left:right] = middle


def table(database):
    """Sorted (first address, country) rows, each valid until the next."""
    rows = merge((start, code or UNKNOWN) for start, code in database.ranges())
    version = 4 if database.bits == 32 else 6
    for text in SPECIAL:
        network = ipaddress.ip_network(text)
        if network.version == version:
            force_unknown(rows, network)
    return merge(rows)


def build_date(*databases):
    """The older build day of the two, as the number yyyymmdd."""
    epoch = min(database.meta["build_epoch"] for database in databases)
    return int(datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y%m%d"))


def encode(v4, v6, date):
    countries = [UNKNOWN, *sorted({country for _, country in v4 + v6} - {UNKNOWN})]
    if len(countries) > 256:
        raise ValueError("country indexes do not fit a byte")
    index = {country: number for number, country in enumerate(countries)}
    parts = [MAGIC, struct.pack("<I", len(countries)), "".join(countries).encode("ascii"),
             struct.pack("<I", date)]
    for rows, width in ((v4, 4), (v6, 16)):
        parts.append(struct.pack("<I", len(rows)))
        parts += [start.to_bytes(width, "little") for start, _ in rows]
        parts.append(bytes(index[country] for _, country in rows))
    return b"".join(parts)


def sample_subnets(v4, countries):
    """For each country asked for, a /24 in the middle of a large range of it.

    A country asked for twice gets its largest and then its second largest range.
    """
    ends = [start for start, _ in v4[1:]] + [1 << 32]
    by_country = {}
    for (start, country), end in zip(v4, ends):
        by_country.setdefault(country, []).append((end - start, -start))
    subnets, used = [], {}
    for country in countries:
        rank = used[country] = used.get(country, -1) + 1
        size, negative = sorted(by_country[country], reverse=True)[rank]
        middle = (-negative + size // 2) & ~0xFF
        subnets.append(f"{ipaddress.ip_address(middle)}/24")
    return subnets
