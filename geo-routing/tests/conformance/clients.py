"""The usual clients, asked the usual way: none has anything to complain of."""

from __future__ import annotations

import re
from functools import partial

from report import Suite, expect
from server import API, BERLIN, EU, MERIDIAN, NEAREST, NSID, ODD, World, addresses
from tools import run

suite = Suite("clients")

USUAL = [(API, "A"), (API, "AAAA"), (API, "HTTPS"), (EU, "A"), (MERIDIAN, "SOA"), (MERIDIAN, "NS"),
         (MERIDIAN, "CAA"), (MERIDIAN, "TXT"), ("www.meridian.example.", "A"),
         ("nobody.meridian.example.", "A"), (API, "TXT"), (API, "ANY"), (f"far.{ODD}", "A"),
         (f"mail.{ODD}", "MX"), (f"_sip._tcp.{ODD}", "SRV")]
# What the three say when an answer is not as it should be.
COMPLAINT = re.compile(
    r"warn|error:|malformed|bad packet|mismatch|unexpected|truncated|communications error", re.I)


def ask_with(program: str, world: World, *arguments: str) -> str:
    """Runs a client; everything it says."""
    host, port = world.plain.address
    told = run(program, f"@{host}", "-p", str(port), *arguments)
    expect(told.returncode == 0, f"{program} {' '.join(arguments)} ends with 0", told)
    return told.stdout + told.stderr


dig = partial(ask_with, "dig")
kdig = partial(ask_with, "kdig")
drill = partial(ask_with, "drill")


def no_complaint(program: str, world: World, *arguments: str) -> None:
    said = ask_with(program, world, *arguments)
    found = COMPLAINT.search(said)
    expect(found is None, f"{program} {' '.join(arguments)}: no complaint", said)


@suite.case("dig complains of nothing", "RFC 1035", ["dig"])
def dig_usual(world: World) -> None:
    for name, rtype in USUAL:
        for options in (["+norec"], ["+norec", "+dnssec"], ["+norec", "+noedns"],
                        ["+norec", "+tcp"], ["+norec", f"+subnet={BERLIN}", "+nsid", "+expire"]):
            no_complaint("dig", world, *options, name, rtype)


@suite.case("kdig complains of nothing", "RFC 1035", ["kdig"])
def kdig_usual(world: World) -> None:
    for name, rtype in USUAL:
        for options in ([], ["+dnssec"], ["+noedns"], ["+tcp"], [f"+subnet={BERLIN}", "+nsid"]):
            no_complaint("kdig", world, *options, name, rtype)


@suite.case("drill complains of nothing", "RFC 1035", ["drill"])
def drill_usual(world: World) -> None:
    for name, rtype in USUAL:
        if rtype != "HTTPS":  # ldns 1.8 has it by another switch only.
            no_complaint("drill", world, "-D", name, rtype)
            no_complaint("drill", world, "-t", name, rtype)


@suite.case("dig is told the region of the subnet it sends", "RFC 7871, 7.2.1", ["dig"])
def dig_subnet(world: World) -> None:
    for text, region in NEAREST.items():
        said = dig(world, "+norec", f"+subnet={text}", API, "A")
        shown = re.search(r"CLIENT-SUBNET: (\S+)", said)
        expect(shown and shown.group(1).startswith(text + "/"), f"CLIENT-SUBNET: {text}/...", said)
        expect(all(it in said for it in addresses(region, "A")), f"addresses of {region}", said)


@suite.case("dig may opt out, in every way it knows", "RFC 7871, 7.1.2", ["dig"])
def dig_opts_out(world: World) -> None:
    for text in ("0", "0.0.0.0/0", "::/0"):
        said = dig(world, "+norec", f"+subnet={text}", API, "A")
        good = "status: NOERROR" in said and re.search(r"CLIENT-SUBNET: \S*/0/0", said)
        expect(good, f"+subnet={text}: NOERROR and scope 0", said)


@suite.case("dig finds the cookie good and keeps it", "RFC 7873, 5.3", ["dig"])
def dig_cookie(world: World) -> None:
    said = dig(world, "+norec", "+cookie", API, "A", "+norec", "+cookie", API, "AAAA")
    expect(said.count("(good)") == 2 and "BADCOOKIE" not in said, "two good cookies", said)


@suite.case("dig is told the server's name", "RFC 5001", ["dig"])
def dig_nsid(world: World) -> None:
    said = dig(world, "+norec", "+nsid", MERIDIAN, "SOA")
    expect(f'"{NSID}"' in said, f"NSID {NSID}", said)


@suite.case("dig is told no version and gets no transfer", "RFC 4892, 3; RFC 5936, 5",
            ["dig", "kdig"])
def nothing_told(world: World) -> None:
    for name in ("version.bind.", "id.server.", "authors.bind."):
        said = dig(world, "+norec", name, "CH", "TXT")
        expect("status: REFUSED" in said, f"{name}: REFUSED", said)
    host, port = world.plain.address
    for program in ("dig", "kdig"):
        told = run(program, f"@{host}", "-p", str(port), MERIDIAN, "AXFR")
        said = told.stdout + told.stderr
        expect("SOA" not in re.sub(r"^;.*$", "", said, flags=re.M), f"{program}: no records", said)


@suite.case("dig asks many things on one connection", "RFC 7766, 6.2.1", ["dig"])
def dig_keeps_open(world: World) -> None:
    several = [it for name, rtype in USUAL[:8] for it in (name, rtype, "+tcp", "+keepopen")]
    said = dig(world, "+norec", *several)
    expect(said.count("status: NOERROR") == 8, "eight answers", said)


@suite.case("who is told that an answer is cut asks again by TCP", "RFC 7766, 5",
            ["dig", "kdig"])
def cut(world: World) -> None:
    for client in (dig, kdig):
        said = client(world, f"large.{ODD}", "TXT")
        expect("ANSWER: 9" in said and "TCP" in said, "nine records by TCP", said)


@suite.case("kdig shows the same answers as dig", "RFC 1035", ["dig", "kdig"])
def same(world: World) -> None:
    for name, rtype in [*USUAL, (f"large.{ODD}", "TXT")]:
        shown = []
        for client in (dig, kdig):
            said = client(world, "+short", "+tcp", name, rtype)
            shown.append(sorted(re.sub(r"[\s\"]", "", it).lower() for it in said.splitlines()))
        expect(shown[0] == shown[1], f"{name} {rtype}: {shown[0]}", shown[1])
