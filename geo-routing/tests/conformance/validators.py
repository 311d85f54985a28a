"""Other people's validators: delv, unbound and drill, each from the key that keygen printed."""

from __future__ import annotations

import re

from report import Suite, expect
from server import API, EU, MERIDIAN, ODD, Server, World
from tools import run

suite = Suite("validators")

POSITIVE = [
    (API, "A"), (API, "AAAA"), (API, "HTTPS"), (EU, "A"), (EU, "AAAA"), (EU, "HTTPS"),
    ("www.meridian.example.", "A"), ("www.meridian.example.", "HTTPS"),
    (MERIDIAN, "SOA"), (MERIDIAN, "NS"), (MERIDIAN, "DNSKEY"), (MERIDIAN, "CAA"),
    (MERIDIAN, "TXT"), ("us-east.api.meridian.example.", "A"), ("ns1.meridian.example.", "AAAA"),
]
# Not DS at the apex: resolvers ask the parent for that one.
NODATA = [(API, "TXT"), (MERIDIAN, "A"), ("www.meridian.example.", "MX"),
          ("us-east.api.meridian.example.", "HTTPS"), (API, "TYPE65280")]
NXDOMAIN = ["nobody.meridian.example.", "x.api.meridian.example.", "a.b.c.d.meridian.example.",
            "x.www.meridian.example.", "zzz.meridian.example.", "0.meridian.example."]
# Where RFC 4470's made-up names are hardest to make up.
HARD = {
    "a zero byte": "\\000.meridian.example.",
    "a zero byte below a name": "\\000.api.meridian.example.",
    "a zero byte behind a name": "api\\000.meridian.example.",
    "the last byte": "\\255.meridian.example.",
    "63 last bytes": "\\255" * 63 + ".meridian.example.",
    "63 last bytes below a name": "\\255" * 63 + ".api.meridian.example.",
    "a label of 63 bytes": "a" * 63 + ".meridian.example.",
    "the neighbour of a label of 63 bytes": "a" * 62 + f"b.{ODD}",
    "the wildcard itself": "*.meridian.example.",
}


def dnskey_data(world: World, zone: str) -> str:
    line = next(it for it in world.key_records(zone) if " DNSKEY " in it)
    return line.split(" DNSKEY ", 1)[1]


def delv(world: World, server: Server, zone: str, name: str, rtype: str,
         anchor_of: str = "") -> str:
    """Runs delv with the zone's key as its only anchor; what it says of the answer."""
    flags, protocol, algorithm, key = dnskey_data(world, anchor_of or zone).split(" ", 3)
    anchor = f'trust-anchors {{ {zone} static-key {flags} {protocol} {algorithm} "{key}"; }};\n'
    file = world.path(f"anchors/{anchor_of or zone}{zone}delv", anchor)
    host, port = server.address
    told = run("delv", f"@{host}", "-p", str(port), "-a", file, f"+root={zone}", "+nodlv",
               "-t", rtype, "-q", name)
    return told.stdout + told.stderr


@suite.case("delv validates what is there", "RFC 4035, 5", needs=["delv"])
def delv_positive(world: World) -> None:
    for name, rtype in POSITIVE:
        told = delv(world, world.signed, MERIDIAN, name, rtype)
        expect("; fully validated" in told, f"{name} {rtype} fully validated", told)
    for name, rtype in ((f"far.{ODD}", "A"), (f"middling.{ODD}", "TXT"), (f"large.{ODD}", "TXT")):
        told = delv(world, world.signed, ODD, name, rtype)
        expect("; fully validated" in told, f"{name} {rtype} fully validated", told)


@suite.case("delv validates what is not there", "RFC 4035, 5.4", needs=["delv"])
def delv_negative(world: World) -> None:
    for name, rtype in NODATA:
        told = delv(world, world.signed, MERIDIAN, name, rtype)
        # An alias comes first, and is validated, too.
        good = "fully validated" in told and "ncache nxrrset" in told
        expect(good, f"{name} {rtype}: nxrrset, fully validated", told)
    for name in NXDOMAIN:
        delv_nxdomain(world, name)


def delv_nxdomain(world: World, name: str) -> None:
    told = delv(world, world.signed, ODD if name.endswith(ODD) else MERIDIAN, name, "A")
    good = "negative response, fully validated" in told and "ncache nxdomain" in told
    expect(good, f"{name}: nxdomain, fully validated", told)


for label, name in HARD.items():

    def delv_hard(world: World, name: str = name) -> None:
        delv_nxdomain(world, name)

    suite.add(f"delv validates NXDOMAIN of {label}", "RFC 4470; RFC 4034, 6.1", delv_hard, ["delv"])


@suite.case("delv validates ANY", "RFC 8482, 4.2", needs=["delv"])
def delv_any(world: World) -> None:
    told = delv(world, world.signed, MERIDIAN, API, "ANY")
    expect("; fully validated" in told and "RFC8482" in told, "HINFO, fully validated", told)


@suite.case("delv refuses the answers with another key for an anchor", "RFC 4035, 5.2",
            needs=["delv"])
def delv_other_key(world: World) -> None:
    # Shows that the cases above can fail.
    told = delv(world, world.signed, MERIDIAN, API, "A", anchor_of=ODD)
    expect("fully validated" not in told, "no validation", told)


def unbound(world: World, server: Server, name: str, rtype: str, anchor_of: str = "") -> str:
    """Asks a whole validating resolver, in a program that ends after one question."""
    zones = []
    anchors = []
    host, port = server.address
    for zone in (MERIDIAN, ODD):
        key = dnskey_data(world, anchor_of or zone)
        anchors.append(f"{zone} IN DNSKEY {key}")
        zones.append(f'stub-zone:\n  name: "{zone}"\n  stub-addr: {host}@{port}\n')
    keys = world.path(f"anchors/unbound{anchor_of}", "\n".join(anchors) + "\n")
    config = (
        "server:\n  do-not-query-localhost: no\n  do-ip6: no\n"
        '  module-config: "validator iterator"\n'
        '  chroot: ""\n  username: ""\n'
        f'  trust-anchor-file: "{keys}"\n' + "".join(zones)
    )
    file = world.path(f"anchors/unbound{anchor_of}.conf", config)
    told = run("unbound-host", "-C", file, "-v", "-t", rtype, name)
    return told.stdout + told.stderr


@suite.case("unbound finds what is there secure", "RFC 4035, 5", needs=["unbound-host"])
def unbound_positive(world: World) -> None:
    for name, rtype in [*POSITIVE, (f"far.{ODD}", "A"), (f"middling.{ODD}", "TXT"),
                        (f"large.{ODD}", "TXT"), (f"mail.{ODD}", "MX")]:
        told = unbound(world, world.signed, name, rtype)
        lines = [it for it in told.splitlines() if it.strip()]
        good = lines and all(it.endswith("(secure)") for it in lines)
        expect(good and "has no" not in told, f"{name} {rtype} secure", told)


@suite.case("unbound finds what is not there securely not there", "RFC 4035, 5.4",
            needs=["unbound-host"])
def unbound_negative(world: World) -> None:
    for name, rtype in NODATA:
        told = unbound(world, world.signed, name, rtype)
        # It shows the alias first, where there is one.
        expect(" has no " in told and "(insecure)" not in told and "BOGUS" not in told,
               f"{name} {rtype}: has no record (secure)", told)
    for name in NXDOMAIN:
        unbound_nxdomain(world, name)


def unbound_nxdomain(world: World, name: str) -> None:
    told = unbound(world, world.signed, name, "A")
    expect("NXDOMAIN" in told and "(secure)" in told, f"{name}: NXDOMAIN (secure)", told)


for label, name in HARD.items():

    def unbound_hard(world: World, name: str = name) -> None:
        unbound_nxdomain(world, name)

    suite.add(f"unbound validates NXDOMAIN of {label}", "RFC 4470; RFC 4034, 6.1", unbound_hard,
              ["unbound-host"])


@suite.case("unbound finds the answers bogus with other keys for anchors", "RFC 4035, 5.2",
            needs=["unbound-host"])
def unbound_other_key(world: World) -> None:
    told = unbound(world, world.signed, API, "A", anchor_of=ODD)
    expect("(secure)" not in told, "no security", told)


def drill(world: World, server: Server, zone: str, name: str, rtype: str) -> str:
    """Chases the signatures of an answer up to the key."""
    key = world.path(f"anchors/{zone}drill", f"{zone} IN DNSKEY {dnskey_data(world, zone)}\n")
    host, port = server.address
    told = run("drill", "-S", "-k", key, "-p", str(port), f"@{host}", name, rtype)
    return told.stdout + told.stderr


@suite.case("drill chases signatures to the key", "RFC 4035, 5", needs=["drill"])
def drill_chases(world: World) -> None:
    for name, rtype in [(API, "A"), (API, "AAAA"), (EU, "A"), (MERIDIAN, "SOA"),
                        (API, "TXT"), ("nobody.meridian.example.", "A")]:
        told = drill(world, world.signed, MERIDIAN, name, rtype)
        expect("Chase successful" in told, f"{name} {rtype}: chase successful", told)


@suite.case("the key tag in the DS and in the signatures is one", "RFC 4034, 5.1.1 and B",
            needs=["dig"])
def key_tags(world: World) -> None:
    host, port = world.signed.address
    for zone in (MERIDIAN, ODD):
        line = next(it for it in world.key_records(zone) if " DS " in it)
        tag = line.split(" DS ", 1)[1].split()[0]
        told = run("dig", f"@{host}", "-p", str(port), "+dnssec", "+norec", "+multiline",
                   zone, "DNSKEY").stdout
        shown = set(re.findall(r"key id = (\d+)", told))
        expect(shown == {tag}, f"key id = {tag}, as dig reckons it", told)
