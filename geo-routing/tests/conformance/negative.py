"""What is not there, what stands for something else, and what the apex says."""

from __future__ import annotations

import packet
from asking import Answer, ask, ask_wire, plain, spoken
from packet import DO, Question
from report import Suite, expect, expect_equal
from server import API, BERLIN, EU, MERIDIAN, MERIDIAN_ZONE, NEAREST, ODD, World, addresses
from server import regions
from ecs import of_network

suite = Suite("negative")

TTL_NEGATIVE = {MERIDIAN: 60, ODD: 90}


def negative(answer: Answer, rcode: str, zone: str) -> None:
    """A negative answer as resolvers cache it (RFC 2308, 3 and 5)."""
    expect(answer.rcode == rcode, rcode, answer)
    expect(answer.has(packet.AA), "AA set (RFC 1034, 6.2.4)", answer)
    expect(answer.counts[1] == 0, "no answer records", answer)
    check_soa(answer, zone)


def check_soa(answer: Answer, zone: str) -> None:
    found = answer.find("authority", "SOA")
    expect(len(found) == 1 and answer.counts[2] == 1, "the SOA alone in authority", answer)
    soa = found[0]
    expect_equal(zone, soa.name.to_text(), "the SOA's owner")
    wanted = (TTL_NEGATIVE[zone],) * 2
    expect_equal(wanted, (soa.ttl, soa[0].minimum), "time to live and minimum of the SOA:")


MISSING = [
    "nobody.meridian.example.", "mars.api.meridian.example.", "x.www.meridian.example.",
    "x.ns1.meridian.example.", "a.b.c.d.e.meridian.example.", "*.meridian.example.",
    "*.api.meridian.example.", "_dmarc.meridian.example.", "www.www.meridian.example.",
    "\\000.meridian.example.", "api\\.meridian.example.meridian.example.", f"x.geo.{ODD}",
    f"x.empty.{ODD}", f"x.a.b.c.{ODD}", f"b.{ODD}",
]


@suite.case("a name that is not there", "RFC 2308, 2.1 and 5")
def nxdomain(world: World) -> None:
    for name in MISSING:
        zone = ODD if name.endswith(ODD) else MERIDIAN
        for rtype in ("A", "AAAA", "HTTPS", "TXT", "NS", "SOA", "DS", "ANY", 65280):
            for asked in (plain(name, rtype), spoken(name, rtype), spoken(name, rtype, flags=DO)):
                negative(ask(world.plain.address, asked), "NXDOMAIN", zone)


@suite.case("a name without such records", "RFC 2308, 2.2")
def nodata(world: World) -> None:
    for name, rtype in [
        (API, "TXT"), (API, "NS"), (API, "SOA"), (API, "CNAME"), (API, "DS"), (EU, "MX"),
        (MERIDIAN, "A"), (MERIDIAN, "AAAA"), (MERIDIAN, "CNAME"), (MERIDIAN, "DS"),
        (MERIDIAN, "DNSKEY"), (MERIDIAN, "NSEC"), (MERIDIAN, "HTTPS"),
        ("ns1.meridian.example.", "MX"), ("us-east.api.meridian.example.", "HTTPS"),
        (f"ns2.{ODD}", "AAAA"), (f"a.b.c.{ODD}", "A"),
    ]:
        zone = ODD if name.endswith(ODD) else MERIDIAN
        for over in ("udp", "tcp"):
            negative(ask(world.plain.address, plain(name, rtype), over), "NOERROR", zone)


@suite.case("a name with names below it is there, though empty", "RFC 8020, 2; RFC 4592, 2.2.2")
def empty_non_terminal(world: World) -> None:
    for name in (f"b.c.{ODD}", f"c.{ODD}", f"empty.{ODD}", f"_tcp.{ODD}"):
        for rtype in ("A", "TXT", "HTTPS", "NS", 65280):
            negative(ask(world.plain.address, plain(name, rtype)), "NOERROR", ODD)
    answer = ask(world.plain.address, plain(f"deep.empty.{ODD}"))
    expect(answer.answers("A"), "the addresses of a host below an empty name", answer)


@suite.case("an alias comes with what it leads to", "RFC 1034, 3.6.2 and 4.3.2, 3a")
def alias(world: World) -> None:
    www = "www.meridian.example."
    for text, region in NEAREST.items():
        for rtype in ("A", "AAAA"):
            answer = ask(world.plain.address, spoken(www, rtype, of_network(text)))
            first = answer.message.answer[0]
            expect(first.to_text().endswith("IN CNAME " + API), "the CNAME record first", answer)
            expect_equal(addresses(region, rtype), answer.answers(rtype), "the addresses")
            expect(answer.message.answer[1].name.to_text() == API, f"addresses of {API}", answer)
            expect(answer.has(packet.AA), "AA: it is about the first name (RFC 2181, 5)", answer)
    # What would be twice the question is left out for a stranger, who asks on; a stream has it.
    answer = ask(world.plain.address, plain(www, "HTTPS"))
    expect_equal([API], answer.answers("CNAME"), "the alias")
    expect(not answer.has(packet.TC), "the alias is an answer, not a cut one", answer)
    answer = ask(world.plain.address, plain(www, "HTTPS"), "tcp")
    expect(answer.answers("CNAME") and answer.answers("HTTPS"), "CNAME and HTTPS", answer)


@suite.case("who asks for the alias gets the alias only", "RFC 1034, 3.6.2")
def alias_itself(world: World) -> None:
    answer = ask(world.plain.address, plain("www.meridian.example.", "CNAME"))
    expect_equal([API], answer.answers("CNAME"), "the alias")
    expect(answer.counts[1] == 1, "one record", answer)


@suite.case("an alias to a name without such records", "RFC 2308, 2.2.1 and 5")
def alias_to_nothing(world: World) -> None:
    for rtype in ("TXT", "MX", "SOA", 65280):
        answer = ask(world.plain.address, plain("www.meridian.example.", rtype), "tcp")
        expect(answer.rcode == "NOERROR", "NOERROR", answer)
        expect_equal([API], answer.answers("CNAME"), "the alias")
        expect(answer.counts[1] == 1, "the alias alone in the answer", answer)
        check_soa(answer, MERIDIAN)


@suite.case("a chain of aliases is followed, in order", "RFC 1034, 3.6.2; RFC 2181, 10.1")
def chain(world: World) -> None:
    answer = ask(world.plain.address, spoken(f"far.{ODD}", "A", of_network(BERLIN)))
    owners = [rrset.name.to_text() for rrset in answer.message.answer]
    expect_equal([f"far.{ODD}", f"near.{ODD}", f"geo.{ODD}"], owners, "the owners in order")
    expect_equal(addresses(NEAREST[BERLIN], "A"), answer.answers("A"), "the addresses")


@suite.case("an alias out of the zone is answered as far as we know", "RFC 1034, 4.3.2, 3a")
def alias_away(world: World) -> None:
    answer = ask(world.plain.address, plain(f"away.{ODD}"))
    expect(answer.rcode == "NOERROR" and answer.has(packet.AA), "NOERROR with AA", answer)
    expect_equal(["elsewhere.example.net."], answer.answers("CNAME"), "the alias")
    expect(answer.counts[1:3] == (1, 0), "the alias alone, and no SOA of ours", answer)


@suite.case("the apex has SOA and NS", "RFC 1035, 3.3.13; RFC 1034, 4.2.1")
def apex(world: World) -> None:
    soa = ask(world.plain.address, plain(MERIDIAN, "SOA")).find("answer", "SOA")[0]
    expect_equal("ns1.meridian.example.", soa[0].mname.to_text(), "the primary")
    expect_equal("hostmaster.meridian.example.", soa[0].rname.to_text(), "the responsible")
    expect(f"serial = {soa[0].serial}\n" in MERIDIAN_ZONE.read_text(), "the serial of the zone "
           "file", soa[0].serial)
    answer = ask(world.plain.address, plain(MERIDIAN, "NS"))
    wanted = ["ns1.meridian.example.", "ns2.meridian.example."]
    expect_equal(wanted, answer.answers("NS"), "the name servers")
    caa = ask(world.plain.address, plain(MERIDIAN, "CAA"))
    expect(len(caa.answers("CAA")) == 1, "a CAA record", caa)


@suite.case("the glue of NS is what a question for it says", "RFC 1034, 4.2.1; RFC 1035, 3.3.11")
def glue(world: World) -> None:
    for zone in (MERIDIAN, ODD):
        stranger = ask(world.plain.address, spoken(zone, "NS"))
        expect(not stranger.has(packet.TC), "without glue it is whole over UDP", stranger)
        answer = ask(world.plain.address, spoken(zone, "NS"), "tcp")
        told = {
            (rrset.name.to_text(), int(rrset.rdtype)): sorted(data.to_text() for data in rrset)
            for rrset in answer.message.additional
        }
        for server in answer.answers("NS"):
            for rtype, code in (("A", 1), ("AAAA", 28)):
                direct = ask(world.plain.address, plain(server, rtype)).answers(rtype)
                expect_equal(direct, told.pop((server, code), []), f"glue {server} {rtype}:")
        expect(not told, "no glue but that of the name servers", told)


@suite.case("a region has its fixed name", "crate README")
def region_names(world: World) -> None:
    for name in regions():
        for rtype in ("A", "AAAA"):
            asked = spoken(f"{name}.api.meridian.example.", rtype, of_network(BERLIN))
            answer = ask(world.plain.address, asked)
            expect_equal(addresses(name, rtype), answer.answers(rtype), f"{name} {rtype}:")
            expect(answer.message.answer[0].ttl == 3600, "an hour to live", answer)


@suite.case("ANY is answered with one small record", "RFC 8482, 4.2")
def any_type(world: World) -> None:
    for name in (MERIDIAN, API, EU, "ns1.meridian.example.", f"large.{ODD}"):
        for over in ("udp", "tcp"):
            answer = ask(world.plain.address, plain(name, "ANY"), over)
            expect(answer.rcode == "NOERROR" and answer.has(packet.AA), "NOERROR, AA", answer)
            expect_equal(['"RFC8482" ""'], answer.answers("HINFO"), "the record")
            expect(answer.counts[1] == 1, "one record", answer)
    empty = ask(world.plain.address, plain(f"empty.{ODD}", "ANY"))
    expect(empty.rcode == "NOERROR", "NOERROR for an empty name, which is there", empty)


@suite.case("ANY for an alias is the alias: nothing is made up beside it", "RFC 8482, 4.1 and 4.2")
def any_at_alias(world: World) -> None:
    for name, target in (("www.meridian.example.", API), (f"away.{ODD}", "elsewhere.example.net.")):
        answer = ask(world.plain.address, plain(name, "ANY"))
        expect(answer.rcode == "NOERROR" and answer.has(packet.AA), "NOERROR, AA", answer)
        expect_equal([target], answer.answers("CNAME"), "the alias")
        expect(not answer.answers("HINFO"), "no HINFO beside a CNAME (RFC 2181, 10.1)", answer)


@suite.case("what is not ours is refused", "RFC 8499, 4; RFC 1034, 4.3.1")
def not_ours(world: World) -> None:
    for name in ("example.org.", "example.", ".", "xmeridian.example.", "meridian.example.org.",
                 "com."):
        for rtype in ("A", "NS", "SOA", "ANY", "DNSKEY", "DS"):
            for question in (plain(name, rtype), spoken(name, rtype)):
                answer = ask(world.plain.address, question)
                expect(answer.rcode == "REFUSED", "REFUSED", answer)
                expect(not answer.has(packet.AA), "AA clear", answer)
                expect(answer.counts[1:3] == (0, 0), "no records and no referral", answer)


CLASSES = {"CH": 3, "HS": 4, "NONE": 254, "ANY": 255, "0": 0, "65280": 65280}
for label, rclass in CLASSES.items():

    def other_class(world: World, rclass: int = rclass) -> None:
        for name, rtype in [(API, "A"), (MERIDIAN, "SOA"), ("version.bind.", "TXT"),
                            ("id.server.", "TXT"), ("hostname.bind.", "TXT"), (".", "ANY")]:
            for over in ("udp", "tcp"):
                answer = ask(world.plain.address, plain(name, rtype, rclass=rclass), over)
                allowed = {"REFUSED", "NOTIMP", "FORMERR"} if rclass != 3 else {"REFUSED"}
                expect(answer.rcode in allowed, f"one of {sorted(allowed)}", answer)
                expect(not answer.has(packet.AA), "AA clear", answer)
                expect(answer.counts[1:3] == (0, 0), "no records, no version told", answer)

    suite.add(f"class {label} is refused", "RFC 1034, 3.6; RFC 4892", other_class)


for kind in ("AXFR", "IXFR"):

    def transfer(world: World, kind: str = kind) -> None:
        for over in ("udp", "tcp"):
            for name in (MERIDIAN, ODD, API, "example.org."):
                questions = [plain(name, kind), spoken(name, kind)]
                for question in questions:
                    refused_transfer(ask(world.plain.address, question, over), over)

    suite.add(f"{kind} is refused, over UDP and TCP", "RFC 5936, 2.2.1; RFC 1995, 2", transfer)


def refused_transfer(answer: Answer, over: str) -> None:
    allowed = {"REFUSED", "NOTAUTH"} if over == "tcp" else {"REFUSED", "NOTIMP", "FORMERR"}
    expect(answer.rcode in allowed, f"one of {sorted(allowed)}", answer)
    expect(answer.counts[:3] == (1, 0, 0), "the question and no records", answer)


@suite.case("IXFR with the SOA in its authority section is refused", "RFC 1995, 3")
def whole_ixfr(world: World) -> None:
    question = Question(MERIDIAN, "IXFR").wire()
    data = packet.name_wire(f"ns1.{MERIDIAN}") + packet.name_wire(f"hostmaster.{MERIDIAN}")
    data += bytes(20)
    record = packet.name_wire(MERIDIAN) + b"\0\6\0\1" + bytes(4) + len(data).to_bytes(2, "big")
    wire = question[:8] + b"\0\1" + question[10:] + record + data
    for over in ("udp", "tcp"):
        refused_transfer(ask_wire(world.plain.address, wire, over), over)


@suite.case("records that are not of an address: MX, SRV", "RFC 1035, 3.3.9; RFC 2782")
def other_records(world: World) -> None:
    answer = ask(world.plain.address, plain(f"mail.{ODD}", "MX"))
    expect_equal([f"10 geo.{ODD}", "20 away.example.net."], answer.answers("MX"), "MX")
    answer = ask(world.plain.address, plain(f"_sip._tcp.{ODD}", "SRV"))
    expect_equal([f"0 5 5060 geo.{ODD}"], answer.answers("SRV"), "SRV")
