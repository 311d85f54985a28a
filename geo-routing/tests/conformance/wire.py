"""Packets as bytes: the question repeated, compression, and datagrams that mean no good."""

from __future__ import annotations

import random
import struct

import packet
from asking import Answer, ask, ask_wire, plain, silent, spoken, udp, udp_answer
from ecs import of_network
from packet import Question
from report import Suite, expect, expect_equal
from server import API, BERLIN, EU, MERIDIAN, NEAREST, ODD, World

suite = Suite("wire")

SEED = 1035
FUZZED_PACKETS = 1500
# What a server may use of memory for what a run of bad packets leaves behind.
GROWTH_KIB_MAX = 16 * 1024

EVERYWHERE = [
    (MERIDIAN, "SOA"), (MERIDIAN, "NS"), (MERIDIAN, "CAA"), (MERIDIAN, "TXT"), (MERIDIAN, "ANY"),
    (API, "A"), (API, "AAAA"), (API, "HTTPS"), (API, "TXT"), (EU, "A"), (EU, "HTTPS"),
    ("www.meridian.example.", "A"), ("www.meridian.example.", "HTTPS"),
    ("www.meridian.example.", "TXT"), ("us-east.api.meridian.example.", "A"),
    ("ns1.meridian.example.", "AAAA"), ("nobody.meridian.example.", "A"),
    ("x.hostmaster.meridian.example.", "A"), ("x.ns1.meridian.example.", "A"),
    (f"far.{ODD}", "A"), (f"mail.{ODD}", "MX"), (f"_sip._tcp.{ODD}", "SRV"), (f"b.c.{ODD}", "A"),
    (f"away.{ODD}", "A"), (f"middling.{ODD}", "TXT"), (ODD, "NS"),
]


def mixed_case(name: str, numbers: random.Random) -> str:
    return "".join(numbers.choice((it.upper(), it.lower())) for it in name)


def first_answer(answer: Answer) -> str:
    return answer.message.answer[0].name.to_text()


@suite.case("the case of the question comes back, in owners too", "RFC 4343, 4.1; RFC 1034, 3.1")
def case_kept(world: World) -> None:
    numbers = random.Random(SEED)
    for name, rtype in EVERYWHERE:
        for _ in range(4):
            mixed = mixed_case(name, numbers)
            for question in (plain(mixed, rtype), spoken(mixed, rtype, of_network(BERLIN))):
                # `ask` compares the repeated question bit by bit.
                answer = ask(world.plain.address, question)
                lower = ask(world.plain.address, Question(name, rtype, edns=question.edns))
                expect_equal(lower.rcode, answer.rcode, f"{mixed}: the code")
                expect_equal(lower.counts, answer.counts, f"{mixed}: the number of records")
                if answer.message.answer:
                    expect_equal(mixed, first_answer(answer), "the owner of the first answer")


@suite.case("every pointer leads to an earlier label; data of newer types are not compressed",
            "RFC 1035, 4.1.4; RFC 3597, 4")
def compression(world: World) -> None:
    # Every answer of every case is walked; here are those with the most names.
    for name, rtype in EVERYWHERE:
        for over in ("udp", "tcp"):
            for text in (*NEAREST, "0.0.0.0/0"):
                answer = ask(world.plain.address, spoken(name, rtype, of_network(text)), over)
                packet.walk(answer.wire)


@suite.case("names are compressed", "RFC 1035, 4.1.4")
def compressed_well(world: World) -> None:
    answer = ask(world.plain.address, plain(MERIDIAN, "NS"))
    whole = len(answer.message.to_wire())
    expect(len(answer.wire) <= whole, f"no more than dnspython's {whole} bytes", len(answer.wire))


@suite.case("TCP says what UDP says", "RFC 7766, 5")
def tcp_as_udp(world: World) -> None:
    for name, rtype in EVERYWHERE:
        for question in (spoken(name, rtype, of_network(BERLIN)), plain(name, rtype)):
            answer, other = (ask(world.plain.address, question, it) for it in ("udp", "tcp"))
            # Glue, and what an alias leads to, are for whoever is known to be there.
            if not answer.has(packet.TC) and answer.counts[1:] == other.counts[1:]:
                expect_equal(answer.wire.hex(), other.wire.hex(), f"{name} {rtype} over TCP:")


def refuses(world: World, wire: bytes) -> None:
    """A packet that is no question is told so, with its id, and with no records."""
    for over in ("udp", "tcp"):
        answer = ask_wire(world.plain.address, wire, over)
        expect(answer.wire[3] & 0xF == 1, f"FORMERR to {wire[:80].hex()} over {over}", answer)
        expect(answer.counts[1:3] == (0, 0), "no records", answer)


GOOD = Question(API, "A", ident=0x4D52).wire()
TAIL = struct.pack(">HH", 1, 1)


def asking_for(name: bytes, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    """A question for a name in bytes, well-formed or not."""
    return packet.header(0x4D52, 0, counts) + name + TAIL


BROKEN = [
    ("no question", packet.header(1, 0, (0, 0, 0, 0)), "RFC 1035, 4.1.2"),
    ("no question and an OPT", packet.header(1, 0, (0, 0, 0, 1)) + packet.Edns().wire(),
     "RFC 1035, 4.1.2"),
    ("a question that is announced and not there", packet.header(1, 0, (1, 0, 0, 0)),
     "RFC 1035, 4.1.2"),
    ("two questions", asking_for(GOOD[12:-4] + TAIL + GOOD[12:-4], (2, 0, 0, 0)), "RFC 9619, 4"),
    ("65535 questions", asking_for(GOOD[12:-4], (65535, 0, 0, 0)), "RFC 9619, 4"),
    ("a byte behind the question", GOOD + b"\0", "RFC 1035, 4.1"),
    ("another message behind the question", GOOD + GOOD, "RFC 1035, 4.1"),
    ("an OPT that is not announced", GOOD + packet.Edns().wire(), "RFC 1035, 4.1"),
    ("an OPT that is announced and not there", GOOD[:11] + b"\1" + GOOD[12:], "RFC 1035, 4.1"),
    ("garbage behind the OPT", spoken(API).wire() + b"meridian", "RFC 1035, 4.1"),
    ("a label of 64 bytes", asking_for(b"\x40" + b"a" * 64 + b"\0"), "RFC 1035, 2.3.4"),
    ("a label of 127 bytes", asking_for(b"\x7f" + b"a" * 127 + b"\0"), "RFC 6891, 5"),
    ("a label of a reserved kind", asking_for(b"\x80" + b"a" * 10 + b"\0"), "RFC 1035, 4.1.4"),
    ("a name of 256 bytes", asking_for((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0"),
     "RFC 1035, 2.3.4"),
    ("a name of 400 bytes", asking_for((b"\x07" + b"a" * 7) * 50 + b"\0"), "RFC 1035, 2.3.4"),
    ("a name without an end", asking_for((b"\x03abc") * 3)[:-4], "RFC 1035, 3.1"),
    ("a pointer to itself", asking_for(b"\xc0\x0c"), "RFC 1035, 4.1.4"),
    ("a pointer to the next byte", asking_for(b"\xc0\x0d"), "RFC 1035, 4.1.4"),
    ("a pointer ahead", asking_for(b"\xc0\x10"), "RFC 1035, 4.1.4"),
    ("a pointer beyond the end", asking_for(b"\xff\xff"), "RFC 1035, 4.1.4"),
    ("two pointers in a circle", asking_for(b"\xc0\x0e\xc0\x0c"), "RFC 1035, 4.1.4"),
    ("a label and a pointer back to it", asking_for(b"\x01a\xc0\x0c"), "RFC 1035, 4.1.4"),
    ("half a pointer", packet.header(1, 0, (1, 0, 0, 0)) + b"\xc0", "RFC 1035, 4.1.4"),
]

for label, wire, source in BROKEN:

    def broken(world: World, wire: bytes = wire) -> None:
        refuses(world, wire)

    suite.add(f"FORMERR: {label}", source, broken)


@suite.case("FORMERR: a question cut at any byte", "RFC 1035, 4.1")
def every_prefix(world: World) -> None:
    for length in range(12, len(GOOD)):
        answer = ask_wire(world.plain.address, GOOD[:length])
        expect(answer.wire[3] & 0xF == 1, f"FORMERR to {length} bytes", answer)
    whole = spoken(API, "A", of_network(BERLIN)).wire()
    for length in range(len(GOOD), len(whole)):
        answer = ask_wire(world.plain.address, whole[:length])
        expect(answer.wire[3] & 0xF == 1, f"FORMERR to {length} bytes of {len(whole)}", answer)


@suite.case("less than a header is met with silence", "RFC 1035, 4.1.1")
def too_short(world: World) -> None:
    for length in range(12):
        silent(world.plain.address, GOOD[:length])


@suite.case("a name of 255 bytes is a name", "RFC 1035, 2.3.4")
def longest_name(world: World) -> None:
    labels = ["a" * 63, "b" * 63, "c" * 63]
    rest = 255 - len(packet.name_wire(".".join(labels) + "." + MERIDIAN)) - 1
    name = ".".join([*labels, "d" * rest, MERIDIAN])
    expect_equal(255, len(packet.name_wire(name)), "bytes of the name:")
    for question in (plain(name), spoken(name, "A", of_network(BERLIN))):
        answer = ask(world.plain.address, question)
        expect(answer.rcode == "NXDOMAIN", "NXDOMAIN", answer)
        expect(len(answer.find("authority", "SOA")) == 1, "the SOA", answer)
    outside = ".".join(["a" * 63] * 3 + ["d" * 61]) + "."
    expect(ask(world.plain.address, plain(outside)).rcode == "REFUSED", "REFUSED", outside)


@suite.case("a label of 63 bytes, and labels of any bytes, are labels", "RFC 2181, 11")
def any_label(world: World) -> None:
    for label in (b"a" * 63, bytes(range(32)), bytes(range(200, 256)), b".", b"\\", b"*", b" ",
                  b"\xc0\x0c"):
        name = bytes([len(label)]) + label + packet.name_wire(MERIDIAN)
        answer = ask_wire(world.plain.address, asking_for(name))
        expect(answer.rcode == "NXDOMAIN", "NXDOMAIN", answer)
        expect(answer.wire[12 : 12 + len(name)] == name, "the name repeated to the bit", answer)


@suite.case("an answer, a referral or an update in a question's sections is read over",
            "RFC 1035, 4.1; RFC 8906, 3.1")
def other_sections(world: World) -> None:
    record = packet.name_wire(API) + struct.pack(">HHIH", 1, 1, 30, 4) + bytes(4)
    for counts in ((1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)):
        wire = asking_for(packet.name_wire(API), counts) + record
        answer = ask_wire(world.plain.address, wire)
        expect(answer.rcode in ("NOERROR", "FORMERR"), "NOERROR or FORMERR", answer)


@suite.case("the largest datagrams are answered or not, and do no harm", "RFC 768")
def largest_datagram(world: World) -> None:
    for size in (512, 513, 1232, 1233, 4096, 16384, 65000):
        filled = packet.option(packet.PADDING, bytes(size - len(spoken(API).wire()) - 4))
        udp(world.plain.address, spoken(API, "A", filled).wire(), 0.2)
        udp(world.plain.address, bytes([0x4D]) * size, 0.05)
    expect(ask(world.plain.address, plain(API)).rcode == "NOERROR", "NOERROR", "something else")


@suite.case(f"{FUZZED_PACKETS} bent packets: an answer or silence, and the server lives",
            "RFC 1035, 4.1")
def bent(world: World) -> None:
    numbers = random.Random(SEED)
    wholes = [
        spoken(API, "A", of_network(BERLIN), packet.option(packet.COOKIE, bytes(24))).wire(),
        spoken(f"far.{ODD}", "HTTPS", packet.option(packet.NSID)).wire(), GOOD,
    ]
    before = world.plain.resident_kib()
    for _ in range(FUZZED_PACKETS):
        bent_wire = bytearray(numbers.choice(wholes))
        for _ in range(numbers.randint(1, 4)):
            bent_wire[numbers.randrange(2, len(bent_wire))] = numbers.randrange(256)
        # Never a response, which is silence by right.
        bent_wire[2] &= 0x7F
        answer = udp_answer(world.plain.address, bytes(bent_wire))
        expect(answer.wire[:2] == bent_wire[:2], "the id of the question", answer.wire.hex())
    growth = world.plain.resident_kib() - before
    expect(growth < GROWTH_KIB_MAX, f"less than {GROWTH_KIB_MAX} KiB more memory", growth)
