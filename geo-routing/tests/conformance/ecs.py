"""EDNS client subnet (RFC 7871): what is refused, what is repeated, and how far an answer holds."""

from __future__ import annotations

import ipaddress
import random
import struct

import packet
from asking import Answer, ask, ask_wire, plain, spoken
from packet import Edns, Question, option
from report import Suite, expect, expect_equal, present
from server import API, BERLIN, COLUMBUS, DUBLIN, EU, MERIDIAN, NEAREST, ODD, SINGAPORE, World
from server import addresses, regions

suite = Suite("ecs")

V4, V6 = 1, 2
DEFAULT = next(name for name, it in regions().items() if it["dns"]["default"])
# The same numbers in every run: a failure can be looked at again.
SEED = 7871
V4_SAMPLES, V6_SAMPLES = 250, 150


def subnet_option(family: int, source: int, scope: int, address: bytes) -> bytes:
    """The option as it is sent, right or wrong."""
    return option(packet.SUBNET, struct.pack(">HBB", family, source, scope) + address)


def of_network(text: str) -> bytes:
    """The option for a network, with no more of the address than it needs (RFC 7871, 6)."""
    network = ipaddress.ip_network(text, strict=False)
    family = V4 if network.version == 4 else V6
    kept = network.network_address.packed[: -(-network.prefixlen // 8)]
    return subnet_option(family, network.prefixlen, 0, kept)


def ask_for(world: World, text: str, name: str = API, rtype: str = "A",
            over: str = "udp") -> Answer:
    """Asks for a network, and expects its echo."""
    sent = of_network(text)
    answer = ask(world.plain.address, spoken(name, rtype, sent), over)
    echo = echo_of(answer)
    expect_equal(sent[4:7] + sent[8:], echo[:3] + echo[4:], "family, source and address as sent:")
    longest = 32 if sent[5] == V4 else 128
    expect(echo[3] <= longest, f"a scope of at most {longest}", answer)
    return answer


def echo_of(answer: Answer) -> bytes:
    echo = answer.option(packet.SUBNET)
    return present(echo, "the option in the answer (RFC 7871, 7.2.1)", answer)


def scope_of(answer: Answer) -> int:
    return echo_of(answer)[3]


def region_of(answer: Answer, rtype: str = "A") -> str:
    """The region whose addresses are answered, and no other's."""
    found = answer.answers(rtype)
    for name in regions():
        if found and found == addresses(name, rtype):
            return name
    expect(False, "the addresses of one region", answer)
    raise AssertionError


FAULTS = [
    ("a scope in the question", (V4, 24, 24, b"\x35\x80\0")),
    ("bits beyond the prefix", (V4, 20, 0, b"\x35\x80\x01")),
    ("a bit beyond an odd prefix", (V4, 23, 0, b"\x35\x80\x01")),
    ("an IPv4 address too long", (V4, 24, 0, b"\x35\x80\0\0")),
    ("a whole IPv4 address for a short prefix", (V4, 8, 0, b"\x35\0\0\0")),
    ("an IPv4 address too short", (V4, 24, 0, b"\x35\x80")),
    ("no address for a prefix", (V4, 24, 0, b"")),
    ("an IPv4 source of 33", (V4, 33, 0, b"\x35\x80\0\0\0")),
    ("an IPv4 source of 255", (V4, 255, 0, bytes(32))),
    ("IPv6 bits beyond the prefix", (V6, 20, 0, b"\x26\0\x0f")),
    ("an IPv6 address too long", (V6, 16, 0, b"\x26\0\0")),
    ("an IPv6 address too short", (V6, 32, 0, b"\x26\0\0")),
    ("an IPv6 source of 129", (V6, 129, 0, bytes(17))),
    ("an IPv6 scope in the question", (V6, 32, 32, b"\x26\0\0\0")),
    ("family 3", (3, 8, 0, b"\x01")),
    ("family 0 with bits", (0, 8, 0, b"\x01")),
    ("family 65535", (65535, 0, 0, b"\x01")),
    ("an opt-out with an address", (V4, 0, 0, b"\x01")),
    ("an opt-out with a scope", (V4, 0, 24, b"")),
]


def refused(world: World, options: bytes) -> None:
    for name in (API, MERIDIAN, "example.org."):
        for over in ("udp", "tcp"):
            edns = Edns(options=options)
            answer = ask(world.plain.address, Question(name, "A", edns=edns), over)
            expect(answer.rcode == "FORMERR", "FORMERR", answer)
            expect(answer.opt, "the refusal in EDNS", answer)
            expect(answer.counts[1:3] == (0, 0), "no records", answer)


for label, fields in FAULTS:

    def faulty(world: World, fields: tuple = fields) -> None:
        refused(world, subnet_option(*fields))

    suite.add(f"refused: {label}", "RFC 7871, 7.1.2 and 6", faulty)


for length in range(4):

    def cut_short(world: World, length: int = length) -> None:
        refused(world, option(packet.SUBNET, b"\0\1\x18"[:length]))

    suite.add(f"refused: an option of {length} bytes", "RFC 7871, 6", cut_short)


@suite.case("two subnets in one question are refused", "RFC 7871, 6")
def two_subnets(world: World) -> None:
    refused(world, of_network(BERLIN) + of_network(SINGAPORE))


@suite.case("a faulty subnet is refused behind good options, too", "RFC 7871, 7.1.2")
def faulty_at_the_end(world: World) -> None:
    good = option(packet.NSID) + option(100, b"abc")
    refused(world, good + subnet_option(V4, 24, 24, b"\x35\x80\0"))


# Every length there is, of an address with bits everywhere.
for version, whole in ((4, "53.219.182.109"), (6, "2a02:5bd6:b6db:6db6:db6d:b6db:6db6:db6d")):
    for length in range(33 if version == 4 else 129):

        def every_length(world: World, text: str = f"{whole}/{length}") -> None:
            for over in ("udp", "tcp"):
                answer = ask_for(world, text, over=over)
                expect(answer.rcode == "NOERROR", "NOERROR", answer)
                region_of(answer)
                if text.endswith("/0"):
                    expect(scope_of(answer) == 0, "scope 0: for everybody", answer)

        suite.add(f"IPv{version}, source /{length}", "RFC 7871, 7.2.1", every_length)


@suite.case("who opts out gets the default region, for everybody", "RFC 7871, 7.1.2 and 11.1")
def opt_out(world: World) -> None:
    for family in (0, V4, V6):
        for rtype in ("A", "AAAA"):
            sent = subnet_option(family, 0, 0, b"")
            # dnspython reads no family 0, so the echo is looked at in the raw.
            answer = ask_wire(world.plain.address, spoken(API, rtype, sent).wire())
            expect(answer.wire.endswith(sent), "the option echoed with scope 0", answer.wire.hex())
            expect(answer.wire[3] & 0xF == 0, "NOERROR", answer.wire.hex())
            if family:
                expect_equal(DEFAULT, region_of(answer, rtype), "the default region")


@suite.case("who is nowhere gets the default region, for those nowhere only", "RFC 7871, 7.2.1")
def nowhere(world: World) -> None:
    # Special-purpose networks of RFC 6890. A scope of 0 would send everybody to the default.
    for text in ["10.0.0.0/8", "10.20.30.0/24", "127.0.0.0/24", "192.168.1.0/24", "169.254.7.0/24",
                 "100.64.0.0/24", "fd00::/16", "fe80::/56", "::/128"]:
        answer = ask_for(world, text)
        expect_equal(DEFAULT, region_of(answer), f"{text}: the region")
        expect(scope_of(answer) > 0, f"{text}: a scope that leaves other networks alone", answer)


@suite.case("the region is the nearest", "crate README")
def nearest(world: World) -> None:
    for text, region in NEAREST.items():
        for rtype in ("A", "AAAA"):
            answer = ask_for(world, text, rtype=rtype)
            expect_equal(region, region_of(answer, rtype), f"{text} {rtype}: the region")
            expect(scope_of(answer) > 0, "a scope: it is not for everybody", answer)
            expect(answer.message.answer[0].ttl == 30, "30 s to live", answer)


@suite.case("a fenced name stays inside the fence wherever one is", "crate README")
def fenced(world: World) -> None:
    inside = {name for name, it in regions().items() if it["jurisdiction"] == "eu"}
    for text in (BERLIN, SINGAPORE, DUBLIN, COLUMBUS, "0.0.0.0/0", "10.0.0.0/8", "2600::/32"):
        for rtype in ("A", "AAAA"):
            answer = ask_for(world, text, EU, rtype)
            region = region_of(answer, rtype)
            expect(region in inside, f"{text}: a region of {sorted(inside)}", answer)


@suite.case("A, AAAA and HTTPS of one client name one region", "RFC 9460, 7.3; RFC 7871, 7.2.1")
def types_agree(world: World) -> None:
    for text in [*NEAREST, "2600::/32", "2003::/19", "2400::/12", "203.0.113.0/24"]:
        answers = {rtype: ask_for(world, text, rtype=rtype) for rtype in ("A", "AAAA", "HTTPS")}
        scopes = {scope_of(answer) for answer in answers.values()}
        expect(len(scopes) == 1, f"{text}: one scope for all types", scopes)
        v4, v6 = answers["A"].answers("A"), answers["AAAA"].answers("AAAA")
        binding = answers["HTTPS"].answers("HTTPS")
        expect(len(binding) == 1, f"{text}: one HTTPS record", answers["HTTPS"])
        for key, wanted in (("ipv4hint", v4), ("ipv6hint", v6)):
            hint = f'{key}="{",".join(wanted)}"'
            expect(hint in binding[0], f"{text}: {hint}", binding[0])


# What is the same for everybody, and what is not ours: echoed, with scope 0.
for label, name, rtype, rcode in [
    ("a static record", "ns1.meridian.example.", "A", "NOERROR"),
    ("the SOA", MERIDIAN, "SOA", "NOERROR"),
    ("NODATA of a static name", "ns1.meridian.example.", "MX", "NOERROR"),
    ("NODATA of a geo name", API, "TXT", "NOERROR"),
    ("ANY", API, "ANY", "NOERROR"),
    ("NXDOMAIN", "nobody.meridian.example.", "A", "NXDOMAIN"),
    ("an alias out of the zone", f"away.{ODD}", "A", "NOERROR"),
    ("REFUSED", "example.org.", "A", "REFUSED"),
]:

    def for_everybody(world: World, name: str = name, rtype: str = rtype,
                      rcode: str = rcode) -> None:
        for text in (BERLIN, SINGAPORE, "0.0.0.0/0", "2600::/32"):
            for over in ("udp", "tcp"):
                answer = ask_for(world, text, name, rtype, over)
                expect(answer.rcode == rcode, rcode, answer)
                expect(scope_of(answer) == 0, "scope 0: the same for everybody", answer)

    suite.add(f"scope 0: {label}", "RFC 7871, 7.2.1", for_everybody)


@suite.case("an alias is as far-reaching as what it leads to", "RFC 7871, 7.2.1")
def alias_scope(world: World) -> None:
    for text in NEAREST:
        direct, alias = ask_for(world, text), ask_for(world, text, "www.meridian.example.")
        expect_equal(direct.answers("A"), alias.answers("A"), f"{text}: addresses")
        expect_equal(scope_of(direct), scope_of(alias), f"{text}: the scope")


@suite.case("without a subnet in the question there is none in the answer", "RFC 7871, 7.2.2")
def none_unasked(world: World) -> None:
    for question in (plain(API), spoken(API), spoken(MERIDIAN, "SOA")):
        for over in ("udp", "tcp"):
            answer = ask(world.plain.address, question, over)
            expect(answer.option(packet.SUBNET) is None, "no subnet", answer)


@suite.case("only EDNS version 0 has subnets", "RFC 6891, 6.1.3")
def not_in_later_versions(world: World) -> None:
    edns = Edns(version=1, options=subnet_option(V4, 24, 24, b"\x35\x80\0"))
    answer = ask(world.plain.address, Question(API, "A", edns=edns))
    expect(answer.rcode == "BADVERS", "BADVERS, as the option is of no known version", answer)


def ends(text: str, scope: int) -> list[str]:
    """The first and the last address of the prefix that an answer holds for."""
    network = ipaddress.ip_network(text, strict=False)
    wide = ipaddress.ip_network((network.network_address, scope), strict=False)
    longest = network.max_prefixlen
    return [f"{wide.network_address}/{longest}", f"{wide.broadcast_address}/{longest}"]


def sound(world: World, text: str) -> None:
    """Everybody inside the scope gets the same answer, and the same scope: no two overlap."""
    answer = ask_for(world, text)
    region, scope = region_of(answer), scope_of(answer)
    for end in ends(text, scope):
        there = ask_for(world, end)
        told = f"{text} in /{scope} is told {region}; {end}: the region and scope"
        expect_equal((region, scope), (region_of(there), scope_of(there)), told)


@suite.case(f"a scope is true at both its ends, for {V4_SAMPLES} IPv4 networks", "RFC 7871, 7.2.1")
def sound_v4(world: World) -> None:
    numbers = random.Random(SEED)
    for _ in range(V4_SAMPLES):
        sound(world, f"{ipaddress.IPv4Address(numbers.getrandbits(32) & ~0xFF)}/24")


@suite.case(f"a scope is true at both its ends, for {V6_SAMPLES} IPv6 networks", "RFC 7871, 7.2.1")
def sound_v6(world: World) -> None:
    numbers = random.Random(SEED)
    # Where something is assigned: carriers of IPv4 and the blocks of the five registries.
    tops = [(0x2001, 16), (0x2002, 16), (0x2400, 12), (0x2600, 12), (0x2800, 12), (0x2A00, 12),
            (0x2C00, 12), (0x2000, 3)]
    for _ in range(V6_SAMPLES):
        top, bits = numbers.choice(tops)
        low = numbers.getrandbits(128) & ((1 << (128 - bits)) - 1)
        address = ipaddress.IPv6Address((top << 112 & ~((1 << (128 - bits)) - 1)) | low)
        sound(world, f"{address}/56")


@suite.case("carriers of IPv4 count as what they carry", "RFC 4291, 2.5.5; RFC 6052, 2.1")
def carriers(world: World) -> None:
    for text, region in NEAREST.items():
        v4 = int(ipaddress.ip_network(text).network_address)
        for carrier in ((0xFFFF << 32) | v4, (0x64FF9B << 96) | v4, (0x2002 << 112) | (v4 << 80)):
            answer = ask_for(world, f"{ipaddress.IPv6Address(carrier)}/128")
            told = f"{ipaddress.IPv6Address(carrier)} carries {text}: the region"
            expect_equal(region, region_of(answer), told)
