"""How much more comes back than was sent: what somebody with a forged address could gain."""

from __future__ import annotations

import struct

import packet
from asking import plain, spoken, udp_answer
from ecs import of_network
from packet import DO, Edns, Question, option
from report import Suite, expect
from server import API, BERLIN, EU, MERIDIAN, ODD, World, regions

suite = Suite("amplification")

UDP_MAX = 1232
# A forged question costs its sender these, too: the smallest IP and UDP headers.
HEADERS_BYTES = 28

TYPES: list[str | int] = [
    "A", "AAAA", "HTTPS", "TXT", "CAA", "NS", "SOA", "MX", "ANY", "CNAME", "DNSKEY", "RRSIG",
    "AXFR", 65280,
]


def names() -> list[str]:
    fixed = [MERIDIAN, API, EU, "www.meridian.example.", "ns1.meridian.example.",
             "nobody.meridian.example.", "example.org.", "."]
    return fixed + [f"{region}.api.meridian.example." for region in regions()]


def measure(world: World, server_name: str, asked: list[Question],
            headers: int = 0) -> tuple[float, str]:
    """The largest factor among the questions, and which question it was."""
    worst, worst_is = 0.0, ""
    for question in asked:
        wire = question.wire()
        came = udp_answer(getattr(world, server_name).address, wire).wire
        expect(len(came) <= UDP_MAX, f"at most {UDP_MAX} bytes for {question.name} "
               f"{question.rtype}", f"{len(came)} bytes")
        factor = (len(came) + headers) / (len(wire) + headers)
        if factor > worst:
            edns = f" payload {question.edns.payload}" if question.edns else ""
            worst = factor
            worst_is = f"{question.name} {question.rtype}{edns}: {len(wire)} to {len(came)} bytes"
    return worst, worst_is


def show(world: World, label: str, factor: float, which: str) -> None:
    world.figures[f"amplification_{label}"] = round(factor, 2)
    print(f"  amplification, {label}: {factor:.2f} ({which})", flush=True)


@suite.case("without DNSSEC no answer from the product's zone is worth forging an address",
            "RFC 5358; RFC 8482, 3")
def unsigned(world: World) -> None:
    asked = [plain(name, rtype) for name in names() for rtype in TYPES]
    asked += [spoken(name, rtype, payload=65535) for name in names() for rtype in TYPES]
    asked += [spoken(name, rtype, of_network(BERLIN), option(packet.NSID), payload=4096)
              for name in names() for rtype in TYPES]
    asked += [build(f"{label}.{ODD}", "TXT") for label in ("middling", "large")
              for build in (plain, spoken)]
    factor, which = measure(world, "plain", asked, HEADERS_BYTES)
    show(world, "unsigned", factor, which)
    expect(factor < 2, "a factor below 2 on the wire", f"{factor:.2f}: {which}")
    show(world, "unsigned_payload", *measure(world, "plain", asked))


@suite.case("an address answer of the product is less than twice its question", "RFC 5358")
def addresses_only(world: World) -> None:
    asked = [build(name, rtype) for name in (API, EU) for rtype in ("A", "AAAA")
             for build in (plain, spoken)]
    factor, which = measure(world, "plain", asked)
    show(world, "addresses", factor, which)
    expect(factor < 2, "a factor below 2", f"{factor:.2f}: {which}")


@suite.case("whatever a zone holds, UDP answers end at 1232 bytes", "RFC 9715, 3.1")
def large_records(world: World) -> None:
    asked = [spoken(f"{label}.{ODD}", "TXT", payload=65535) for label in ("middling", "large")]
    show(world, "large_records", *measure(world, "plain", asked))


@suite.case("with DNSSEC answers end at 1232 bytes, too", "RFC 9715, 3.1; RFC 4035, 3.1.1")
def signed(world: World) -> None:
    edns = Edns(65535, flags=DO)
    asked = [Question(name, rtype, edns=edns) for name in names() for rtype in TYPES]
    show(world, "signed", *measure(world, "signed", asked))


@suite.case("what is refused is hardly larger than what was asked", "RFC 8906, 3")
def refusals(world: World) -> None:
    wires = [plain("example.org.", it).wire() for it in ("A", "ANY", "DNSKEY", "AXFR")]
    wires.append(plain(MERIDIAN, "AXFR").wire())
    wires.append(Question(API, "A", opcode=2).wire())
    wires.append(spoken(API).wire() + bytes(7))
    wires.append(packet.header(5, 0, (0, 0, 0, 0)))
    wires.append(packet.header(5, 0, (1, 0, 0, 0)) + struct.pack(">H", 0xC00C))
    worst = 0.0
    for wire in wires:
        answer = udp_answer(world.plain.address, wire)
        worst = max(worst, len(answer.wire) / len(wire))
        expect(len(answer.wire) <= len(wire), "no more than was sent", answer)
    show(world, "refusals", worst, "the largest")
