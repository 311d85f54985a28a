"""Header bits, EDNS and types: what ISC's compliance tester asks of an authoritative server.

The questions are those of DNS-Compliance-Testing's full set and of its type set, which reports any
code but NOERROR (for another opcode: any but NOTIMP), bits that come back and should not, options
that are echoed and a missing or needless OPT record.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import packet
from asking import Answer, ask, ask_wire, check_always, plain, silent, spoken
from packet import Edns, Question, option
from report import Suite, expect, expect_equal
from server import API, MERIDIAN, NSID, ODD, World

suite = Suite("edns")

CLIENT_COOKIE = bytes.fromhex("0102030405060708")
OPT_OUT = struct.pack(">HBB", 1, 0, 0)
UNKNOWN_OPTION = 100

STATUS, NOTIFY, UPDATE, DSO = 2, 4, 5, 6
# QTYPE of the OPT pseudo-type, and of those that are no types of records (RFC 6895, 3.1).
META = {41, 249, 250, 251, 252, 253, 254, 255}


def has_soa(answer: Answer) -> None:
    """A good answer to a question for the SOA."""
    expect(answer.rcode == "NOERROR", "NOERROR", answer)
    expect(answer.has(packet.AA), "AA set (RFC 1035, 4.1.1)", answer)
    expect(len(answer.find("answer", "SOA")) == 1, "the SOA record", answer)


def is_badvers(answer: Answer) -> None:
    expect(answer.rcode == "BADVERS", "BADVERS", answer)
    expect(answer.edns.version == 0, "our version, 0, in the OPT record", answer)
    expect(answer.counts[1:3] == (0, 0), "no records", answer)


# Bits of the header that a question may carry and that must neither break nor bend the answer.
for label, bits, source in [
    ("none", 0, "RFC 1035, 4.1.1"),
    ("AA", packet.AA, "RFC 1035, 4.1.1"),
    ("AD", packet.AD, "RFC 6840, 5.7"),
    ("CD", packet.CD, "RFC 4035, 3.1.6"),
    ("RA", packet.RA, "RFC 1035, 4.1.1"),
    ("RD", packet.RD, "RFC 1035, 4.1.1"),
    ("TC", packet.TC, "RFC 8906, 3.1.3"),
    ("Z", packet.Z, "RFC 8906, 3.1.3"),
    ("all", 0x07F0, "RFC 8906, 3.1.3"),
]:

    def with_bits(world: World, bits: int = bits) -> None:
        for over in ("udp", "tcp"):
            for edns in (None, Edns()):
                question = Question(MERIDIAN, "SOA", flags=bits, edns=edns)
                answer = ask(world.plain.address, question, over)
                has_soa(answer)
                expect(not answer.has(packet.TC), "TC clear: nothing is cut", answer)

    suite.add(f"header bits in the question: {label}", source, with_bits)


@suite.case("plain DNS over TCP", "RFC 7766, 5")
def tcp_plain(world: World) -> None:
    has_soa(ask(world.plain.address, plain(MERIDIAN, "SOA"), "tcp"))


@suite.case("an unknown type has no data", "RFC 3597, 5; RFC 8906, 3.1.2")
def type_666(world: World) -> None:
    no_data(ask(world.plain.address, plain(MERIDIAN, 666)))


def no_data(answer: Answer) -> None:
    expect(answer.rcode == "NOERROR", "NOERROR", answer)
    expect(answer.has(packet.AA), "AA set", answer)
    expect(answer.counts[1] == 0, "no answer records", answer)
    expect(len(answer.find("authority", "SOA")) == 1, "the SOA in authority (RFC 2308, 3)", answer)


# The types with numbers below 66, and others that were handed out or never will be.
for code in [*range(1, 66), 99, 104, 105, 106, 107, 108, 109, 249, 253, 254, 256, 257, 258, 259,
             260, 261, 262, 666, 1000, 32768, 32769, 65280, 65534, 65535]:

    def of_type(world: World, code: int = code) -> None:
        for name in (MERIDIAN, API):
            for edns in (None, Edns()):
                question = Question(name, code, edns=edns)
                answer = ask(world.plain.address, question)
                if code in META:
                    allowed = {"NOERROR", "FORMERR", "REFUSED", "NOTIMP"}
                    expect(answer.rcode in allowed, f"a code of {sorted(allowed)}", answer)
                    continue
                expect(answer.rcode == "NOERROR", "NOERROR", answer)
                expect(answer.has(packet.AA), "AA set", answer)
                kinds = {int(rrset.rdtype) for rrset in answer.message.answer}
                expect(kinds <= {code}, f"records of type {code} or none", answer)
                if not kinds:
                    no_data(answer)

    suite.add(f"type {code} is known or has no data", "RFC 3597, 5; RFC 8906, 3.1.2", of_type)


# Other operations, with and without a body.
for opcode in (1, STATUS, 3, NOTIFY, UPDATE, DSO, 7, 14, 15):

    def other_opcode(world: World, opcode: int = opcode) -> None:
        address = world.plain.address
        for flags in (0, 0x07F0):
            wire = packet.header(4660, opcode << 11 | flags, (0, 0, 0, 0))
            refused = [ask_wire(address, wire, over) for over in ("udp", "tcp")]
            body = Question(MERIDIAN, "SOA", opcode=opcode, flags=flags)
            refused.append(ask_wire(address, body.wire()))
            in_edns = ask_wire(address, replace(body, edns=Edns()).wire())
            expect(in_edns.edns.version == 0, "EDNS, as it was spoken (RFC 6891, 7)", in_edns)
            for answer in [*refused, in_edns]:
                expect(answer.wire[3] & 0xF == 4, "NOTIMP", answer.wire[:12].hex())
                expect(answer.opcode == opcode, f"opcode {opcode} repeated", answer)
                stray = packet.AA | packet.TC | packet.RA | packet.Z | packet.AD | packet.CD
                expect(not answer.word & stray, "the bits clear that only QUERY defines", answer)
                expect(answer.counts[1:3] == (0, 0), "no records", answer)
            for answer in refused:
                expect(answer.counts[3] == 0, "no OPT: none was sent", answer)

    suite.add(f"opcode {opcode} is not implemented", "RFC 8906, 3.1.4", other_opcode)


@suite.case("EDNS, version 0", "RFC 6891, 6")
def edns_0(world: World) -> None:
    answer = ask(world.plain.address, spoken(MERIDIAN, "SOA", payload=4096))
    has_soa(answer)
    expect(answer.edns.payload >= 512, "a payload of at least 512 (6.2.3)", answer)
    expect(answer.edns.payload <= 1232, "a payload that passes every path", answer)


for version in (1, 2, 100, 255):

    def later_version(world: World, version: int = version) -> None:
        cookie, subnet = option(packet.COOKIE, CLIENT_COOKIE), option(packet.SUBNET, OPT_OUT)
        for options in [
            (), (option(UNKNOWN_OPTION),), (option(packet.NSID),), (cookie,),
            (option(packet.EXPIRE),), (subnet,), (option(packet.NSID), subnet, cookie),
        ]:
            for flags in (0, packet.DO):
                edns = Edns(4096, version, flags, b"".join(options))
                answer = ask(world.plain.address, Question(MERIDIAN, "SOA", edns=edns))
                is_badvers(answer)
                expect(answer.option(UNKNOWN_OPTION) is None, "no echo", answer)

    suite.add(f"EDNS version {version}, with every option", "RFC 6891, 6.1.3", later_version)


@suite.case("an unknown option is ignored and not echoed", "RFC 6891, 6.1.2")
def unknown_option(world: World) -> None:
    for code in (0, 1, 2, 4, 16, UNKNOWN_OPTION, 20292, 26946, 65001, 65535):
        for value in (b"", b"\0", b"meridian" * 20):
            answer = ask(world.plain.address, spoken(MERIDIAN, "SOA", option(code, value)))
            has_soa(answer)
            expect(not answer.edns.options, "no options", answer)


for label, code, value, source in [
    ("DAU", 5, bytes([8, 13]), "RFC 6975, 3"),
    ("DHU", 6, bytes([2, 4]), "RFC 6975, 3"),
    ("N3U", 7, bytes([1]), "RFC 6975, 3"),
    ("CHAIN", 13, b"\0", "RFC 7901, 5.3"),
    ("KEY-TAG", 14, struct.pack(">H", 19036), "RFC 8145, 4.2"),
    ("extended error", 15, struct.pack(">H", 9), "RFC 8914, 2"),
    ("report channel", 18, b"\0", "RFC 9567, 5"),
    ("zone version", 19, b"", "RFC 9660, 3"),
]:

    def known_option(world: World, code: int = code, value: bytes = value) -> None:
        answer = ask(world.plain.address, spoken(MERIDIAN, "SOA", option(code, value)))
        has_soa(answer)
        # ZONEVERSION may be answered; the others say something of the asker only.
        echoed = answer.option(code) if code != 19 else None
        expect(echoed is None, "the option not echoed", answer)

    suite.add(f"the option {label} breaks nothing", source, known_option)


@suite.case("the Z bits of EDNS are not echoed", "RFC 6891, 6.1.4")
def edns_flags(world: World) -> None:
    for bit in range(15):
        answer = ask(world.plain.address, spoken(MERIDIAN, "SOA", flags=1 << bit))
        has_soa(answer)
        expect(answer.edns.flags == 0, "all EDNS flags clear", answer)


@suite.case("DO comes back as it went", "RFC 3225, 3; RFC 6840, 5.6")
def dnssec_ok(world: World) -> None:
    for flags in (0, packet.CD, packet.AD, packet.RD):
        for bit in (0, packet.DO):
            edns = Edns(4096, flags=bit)
            answer = ask(world.plain.address, Question(MERIDIAN, "SOA", flags=flags, edns=edns))
            has_soa(answer)
            expect(answer.edns.flags & packet.DO == bit, f"DO {bit:#x}", answer)
            expect(not answer.find("answer", "RRSIG"), "no RRSIG: unsigned", answer)


@suite.case("every option at once", "RFC 6891, 6.1.2")
def option_list(world: World) -> None:
    asked = spoken(MERIDIAN, "SOA", option(packet.NSID), option(packet.SUBNET, OPT_OUT),
                   option(packet.EXPIRE), option(packet.COOKIE, CLIENT_COOKIE), payload=4096)
    answer = ask(world.plain.address, asked)
    has_soa(answer)
    expect_equal(NSID.encode(), answer.option(packet.NSID), "the NSID")
    expect_equal(OPT_OUT, answer.option(packet.SUBNET), "the client subnet, scope 0,")
    cookie = answer.option(packet.COOKIE) or b""
    expect(cookie[:8] == CLIENT_COOKIE and len(cookie) >= 16, "a whole cookie", answer)


@suite.case("options come in any order and between unknown ones", "RFC 6891, 6.1.2")
def option_order(world: World) -> None:
    known = [option(packet.NSID), option(packet.SUBNET, OPT_OUT),
             option(packet.COOKIE, CLIENT_COOKIE), option(UNKNOWN_OPTION, b"xyz")]
    for turn in range(len(known)):
        asked = spoken(MERIDIAN, "SOA", *known[turn:], *known[:turn])
        answer = ask(world.plain.address, asked)
        has_soa(answer)
        codes = sorted(code for code, _ in answer.edns.options)
        expect_equal([packet.NSID, packet.SUBNET, packet.COOKIE], codes, "the options")


@suite.case("the server's name is told to who asks, and to nobody else", "RFC 5001, 2.2")
def nsid(world: World) -> None:
    for over in ("udp", "tcp"):
        answer = ask(world.plain.address, spoken(API, "A", option(packet.NSID)), over)
        expect_equal(NSID.encode(), answer.option(packet.NSID), "the NSID")
        answer = ask(world.plain.address, spoken(API, "A"), over)
        expect(answer.option(packet.NSID) is None, "no NSID", answer)


@suite.case("EXPIRE is the SOA's or not there", "RFC 7314, 3")
def expire(world: World) -> None:
    answer = ask(world.plain.address, spoken(MERIDIAN, "SOA", option(packet.EXPIRE)))
    has_soa(answer)
    told = answer.option(packet.EXPIRE)
    if told is not None:
        wanted = struct.pack(">I", answer.find("answer", "SOA")[0][0].expire)
        expect_equal(wanted, told, "EXPIRE")


@suite.case("keepalive is answered over TCP and ignored over UDP", "RFC 7828, 3.2.1 and 3.3.2")
def keepalive(world: World) -> None:
    asked = spoken(MERIDIAN, "SOA", option(packet.KEEPALIVE))
    answer = ask(world.plain.address, asked, "tcp")
    has_soa(answer)
    told = answer.option(packet.KEEPALIVE)
    expect(told is not None and len(told) == 2, "a time-out of two bytes", answer)
    answer = ask(world.plain.address, asked)
    has_soa(answer)
    expect(answer.option(packet.KEEPALIVE) is None, "no keepalive over UDP", answer)
    answer = ask(world.plain.address, spoken(MERIDIAN, "SOA"), "tcp")
    expect(answer.option(packet.KEEPALIVE) is None, "no keepalive unasked", answer)


@suite.case("padding in the clear breaks nothing and swells nothing", "RFC 7830, 6; RFC 8467, 3")
def padding(world: World) -> None:
    for length in (0, 1, 100, 400):
        asked = spoken(MERIDIAN, "SOA", option(packet.PADDING, bytes(length)))
        answer = ask(world.plain.address, asked)
        has_soa(answer)
        expect(len(answer.wire) <= 512, "an answer that is not padded in the clear", answer)
        has_soa(ask(world.plain.address, asked, "tcp"))


@suite.case("at 512 bytes a larger answer is cut, with TC", "RFC 2181, 9; RFC 6891, 6.2.3")
def cut_at_512(world: World) -> None:
    name = f"middling.{ODD}"
    for question in (plain(name, "TXT"), spoken(name, "TXT", payload=512)):
        answer = ask(world.plain.address, question)
        expect(answer.rcode == "NOERROR" and answer.has(packet.TC), "NOERROR with TC", answer)
    # A payload below 512 counts as 512 (RFC 6891, 6.2.3).
    for payload in (0, 1, 511):
        has_soa(ask(world.plain.address, spoken(ODD, "SOA", payload=payload)))


@suite.case("what fits 1232 comes whole to who takes it and is who the address says",
            "RFC 6891, 6.2.5; RFC 7873, 5.2.5")
def whole_at_1232(world: World) -> None:
    name = f"middling.{ODD}"
    first = ask(world.plain.address, spoken(name, "TXT", option(packet.COOKIE, b"stranger")))
    expect(first.has(packet.TC), "a stranger is cut short of twice the question", first)
    cookie = option(packet.COOKIE, first.option(packet.COOKIE) or b"")
    for payload in (1232, 4096, 65535):
        answer = ask(world.plain.address, spoken(name, "TXT", cookie, payload=payload))
        expect(not answer.has(packet.TC), "TC clear", answer)
        expect_equal(4, len(answer.answers("TXT")), "records:")


@suite.case("above 1232 bytes UDP is cut whatever is offered", "RFC 9715, 3.1; DNS flag day 2020")
def cut_at_1232(world: World) -> None:
    subnet = option(packet.SUBNET, OPT_OUT)
    for payload in (512, 1232, 1400, 4096, 65535):
        asked = spoken(f"large.{ODD}", "TXT", subnet, option(packet.NSID), payload=payload)
        answer = ask(world.plain.address, asked)
        expect(answer.has(packet.TC), "TC", answer)
        expect(len(answer.wire) <= 1232, "at most 1232 bytes", f"{len(answer.wire)} bytes")
        expect(answer.option(packet.SUBNET) is not None, "the options survive the cut", answer)
    answer = ask(world.plain.address, asked, "tcp")
    expect(not answer.has(packet.TC), "TCP has it whole", answer)
    expect_equal(9, len(answer.answers("TXT")), "records over TCP:")


@suite.case("the payload does not bound TCP", "RFC 6891, 6.2.3")
def edns_over_tcp(world: World) -> None:
    answer = ask(world.plain.address, spoken(f"large.{ODD}", "TXT", payload=512), "tcp")
    expect_equal(9, len(answer.answers("TXT")), "records:")
    dnskey = spoken(MERIDIAN, "DNSKEY", payload=512, flags=packet.DO)
    no_data(ask(world.plain.address, dnskey, "tcp"))


for label, bits, edns in [
    ("BIND 9.11", 0, Edns(4096, flags=packet.DO, options=option(packet.COOKIE, CLIENT_COOKIE))),
    ("dig 9.11", packet.RD | packet.AD,
     Edns(4096, options=option(packet.COOKIE, CLIENT_COOKIE))),
]:

    def usual(world: World, bits: int = bits, edns: Edns = edns) -> None:
        has_soa(ask(world.plain.address, Question(MERIDIAN, "SOA", flags=bits, edns=edns)))

    suite.add(f"a question as {label} asks it", "RFC 7873, 5.2.3", usual)


def opt_record(owner: bytes = b"\0", body: bytes = b"") -> bytes:
    return owner + struct.pack(">HHBBHH", packet.OPT, 1232, 0, 0, 0, len(body)) + body


def with_additional(*records: bytes) -> bytes:
    asked = packet.name_wire(MERIDIAN) + struct.pack(">HH", 6, 1)
    return packet.header(77, 0, (1, 0, 0, len(records))) + asked + b"".join(records)


def refuses_format(world: World, wire: bytes, in_edns: bool = True) -> None:
    answer = ask_wire(world.plain.address, wire)
    expect(answer.rcode == "FORMERR", "FORMERR", answer)
    expect(not in_edns or answer.opt, "the refusal in EDNS (RFC 6891, 7)", answer)
    expect(answer.counts[1:3] == (0, 0), "no records", answer)


@suite.case("two OPT records", "RFC 6891, 6.1.1")
def two_opts(world: World) -> None:
    refuses_format(world, with_additional(opt_record(), opt_record()))


@suite.case("an OPT record that is not the root's", "RFC 6891, 6.1.2")
def opt_elsewhere(world: World) -> None:
    refuses_format(world, with_additional(opt_record(b"\x03com\0")), in_edns=False)


@suite.case("an option that is longer than its record", "RFC 6891, 6.1.2")
def option_too_long(world: World) -> None:
    for body in (b"\0", b"\0\x64\0", b"\0\x64\0\5abc", option(packet.NSID) + b"\0\x08\0\xff"):
        refuses_format(world, with_additional(opt_record(body=body)))


@suite.case("other records beside the OPT are no fault", "RFC 6891, 6.1.1")
def opt_is_not_alone(world: World) -> None:
    other = b"\0" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4)
    for records in ((other, opt_record()), (opt_record(), other)):
        answer = ask_wire(world.plain.address, with_additional(*records))
        has_soa(answer)
        check_always(answer, spoken(MERIDIAN, "SOA"), "udp")


@suite.case("an answer is not answered, whatever it says", "RFC 1035, 4.1.1")
def no_answer_to_answers(world: World) -> None:
    for question in (
        Question(MERIDIAN, "SOA", flags=packet.QR),
        Question(MERIDIAN, "SOA", flags=packet.QR, opcode=NOTIFY),
        Question(MERIDIAN, "SOA", flags=packet.QR, edns=Edns(version=1)),
    ):
        silent(world.plain.address, question.wire())
