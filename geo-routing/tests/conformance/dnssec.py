"""DNSSEC, validated with dnspython: signatures, keys, and proofs of what is not there."""

from __future__ import annotations

import random
import stat
import string
import subprocess
import time

import dns.dnssec
import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

import packet
from asking import Answer, ask, plain, spoken
from ecs import of_network, region_of
from packet import DO, Edns, Question
from report import Failed, Suite, expect, expect_equal
from server import API, BERLIN, EU, MERIDIAN, NEAREST, ODD, World, addresses, regions

suite = Suite("dnssec")

SEED = 4470
ALGORITHM, PROTOCOL, KEY_FLAGS, SHA256 = 13, 3, 257, 2
DAY = 86_400
NEGATIVE_TTL = {MERIDIAN: 60, ODD: 90}
NONEXISTENT_SAMPLES = 200
BROKEN_SHOWN = 5

LONGEST_LABEL = "a" * 63
ODD_NAMES = ["", "ns1.", "ns2.", "geo.", "deep.empty.", "empty.", "a.b.c.", "b.c.", "c.", "near.",
             "middling.", "large.", "far.", "away.", "mail.", "_sip._tcp.", "_tcp.", "version.",
             f"{LONGEST_LABEL}.", f"below.{LONGEST_LABEL}."]
EXISTING = {
    MERIDIAN: [it + MERIDIAN for it in ("", "ns1.", "ns2.", "api.", "eu.", "www.")]
    + [f"{region}.{API}" for region in regions()],
    ODD: [it + ODD for it in ODD_NAMES],
}
SIGNED_TYPES: list[str | int] = [
    "A", "AAAA", "HTTPS", "TXT", "CAA", "MX", "SRV", "NS", "SOA", "DNSKEY", "CNAME",
    "NSEC", "ANY", "DS", "CDS", "CDNSKEY", "NSEC3PARAM", 65280,
]


def zone_of(name: str) -> str:
    return ODD if name.lower().endswith(ODD) else MERIDIAN


def ask_signed(world: World, name: str, rtype: str | int = "A", *options: bytes,
               over: str = "udp", payload: int = 1232) -> Answer:
    """Asks the signed server with DO."""
    edns = Edns(payload, flags=DO, options=b"".join(options))
    return ask(world.signed.address, Question(name, rtype, edns=edns), over)


def keys_of(world: World, zone: str) -> dict[dns.name.Name, dns.rrset.RRset]:
    """The zone's keys as keygen printed them: the anchor that everything is held against."""
    line = next(it for it in world.key_records(zone) if " DNSKEY " in it)
    data = line.split(" DNSKEY ", 1)[1]
    keys = dns.rrset.from_text(zone, 3600, "IN", "DNSKEY", data)
    return {dns.name.from_text(zone): keys}


def check_signed(world: World, answer: Answer, zone: str) -> None:
    """Every set of the answer and authority sections is signed, and every signature is good."""
    keys = keys_of(world, zone)
    for section in ("answer", "authority", "additional"):
        sets = getattr(answer.message, section)
        signatures = {(it.name, it.covers): it for it in sets if it.rdtype == dns.rdatatype.RRSIG}
        data = [it for it in sets if it.rdtype != dns.rdatatype.RRSIG]
        for rrset in data:
            signature = signatures.pop((rrset.name, rrset.rdtype), None)
            what = f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)}"
            if signature is None:
                # Glue may come without (RFC 4035, 3.1.1: when there is room).
                expect(section == "additional", f"a signature of {what}", answer)
                continue
            check_signature(rrset, signature, keys, zone, answer)
        expect(not signatures, "no signatures of what is not there", answer)


def check_signature(rrset: dns.rrset.RRset, signature: dns.rrset.RRset, keys: dict, zone: str,
                    answer: Answer) -> None:
    try:
        dns.dnssec.validate(rrset, signature, keys)
    except dns.exception.DNSException as error:
        expect(False, f"a signature that validates (RFC 4035, 5.3): {error}", answer)
    expect(len(signature) == 1, "one signature for the one key", answer)
    rrsig = signature[0]
    labels = len(rrset.name.labels) - 1 - rrset.name.is_wild()
    expect_equal(labels, rrsig.labels, f"labels (RFC 4034, 3.1.3) of {rrset.name}:")
    expect_equal(rrset.ttl, rrsig.original_ttl, f"original TTL (RFC 4034, 3.1.4) of {rrset.name}:")
    expect_equal(rrset.ttl, signature.ttl, "TTL of the signature (RFC 4034, 3):")
    expect_equal(zone, rrsig.signer.to_text(), "signer (RFC 4034, 3.1.7):")
    expect_equal(ALGORITHM, int(rrsig.algorithm), "algorithm:")
    now = time.time()
    good_from, good_to = rrsig.inception, rrsig.expiration
    expect(good_from <= now - 60, "an inception that forgives clocks (RFC 6781, 4.4.2)", answer)
    expect(good_to >= now + DAY, "a day at least until it expires", answer)
    expect(good_to - good_from <= 31 * DAY, "a validity of a month at most", answer)


def nsec_sets(answer: Answer) -> list[dns.rrset.RRset]:
    return answer.find("authority", "NSEC")


def types_of(nsec: dns.rrset.RRset) -> set[int]:
    """The types that an NSEC record says are there (RFC 4034, 4.1.2)."""
    found = set()
    for window, bitmap in nsec[0].windows:
        for at, byte in enumerate(bitmap):
            found |= {window * 256 + at * 8 + bit for bit in range(8) if byte & 0x80 >> bit}
    return found


def covers(nsec: dns.rrset.RRset, name: dns.name.Name, zone: str) -> bool:
    """Whether a name lies strictly between an NSEC record's ends (RFC 4034, 6.1)."""
    apex = dns.name.from_text(zone)
    return nsec.name < name and (name < nsec[0].next or nsec[0].next == apex)


def check_nodata(world: World, answer: Answer, name: str, rtype: int, zone: str) -> None:
    """The name is there, and no such type at it (RFC 4035, 3.1.3.1)."""
    expect(answer.rcode == "NOERROR", "NOERROR", answer)
    expect(len(answer.find("authority", "SOA")) == 1, "the SOA", answer)
    sets = nsec_sets(answer)
    wanted = dns.name.from_text(name)
    expect(len(sets) == 1 and sets[0].name == wanted, f"one NSEC record, of {name}", answer)
    there = types_of(sets[0])
    expect(rtype not in there, f"an NSEC record without type {rtype}", answer)
    expect(5 not in there, "an NSEC record without CNAME, or it would have been answered", answer)
    expect({46, 47} <= there, "an NSEC record with RRSIG and NSEC (RFC 4034, 4.1.2)", answer)
    check_narrow(world, answer, zone)
    check_signed(world, answer, zone)


def check_nxdomain(world: World, answer: Answer, name: str, zone: str) -> None:
    """Neither the name nor a wildcard that would make it is there (RFC 4035, 3.1.3.2)."""
    expect(answer.rcode == "NXDOMAIN", "NXDOMAIN", answer)
    expect(len(answer.find("authority", "SOA")) == 1, "the SOA", answer)
    wanted = dns.name.from_text(name)
    there = [dns.name.from_text(it) for it in EXISTING[zone]]
    encloser = wanted.parent()
    while not any(it.is_subdomain(encloser) for it in there):
        encloser = encloser.parent()
    wildcard = dns.name.from_text("*", encloser)
    sets = nsec_sets(answer)
    for missing, what in ((wanted, "the name"), (wildcard, f"the wildcard {wildcard}")):
        proof = any(covers(it, missing, zone) for it in sets)
        expect(proof, f"an NSEC record that covers {what}", answer)
    check_narrow(world, answer, zone)
    check_signed(world, answer, zone)


def check_narrow(world: World, answer: Answer, zone: str) -> None:
    """No NSEC record denies a name that is there, nor tells the next one (RFC 4470, 3 and 4).

    Resolvers take an NSEC record's word for all that it covers (RFC 8198), not only for what was
    asked; so one that is about a name that is there must have that name's types.
    """
    there = [dns.name.from_text(it) for it in EXISTING[zone]]
    for nsec in nsec_sets(answer):
        if nsec.name in there and answer.rcode == "NXDOMAIN":
            own = ask_signed(world, nsec.name.to_text(), "NSEC").find("answer", "NSEC")
            true = bool(own) and types_of(own[0]) == types_of(nsec)
            expect(true, f"the types of {nsec.name}, which is there, in its NSEC record", answer)
        denied = [str(it) for it in there if covers(nsec, it, zone)]
        expect(not denied, f"an NSEC record that does not deny {denied}", answer)
        told = nsec[0].next in there and nsec[0].next != dns.name.from_text(zone)
        expect(not told, "a next name that is made up, so the zone cannot be walked", answer)
        expect(nsec[0].next.is_subdomain(dns.name.from_text(zone)), "a next name inside", answer)
        wanted = NEGATIVE_TTL[zone]
        expect(nsec.ttl <= wanted, f"a TTL of at most {wanted} (RFC 9077, 3)", answer)


@suite.case("keygen prints the DS of the DNSKEY it prints", "RFC 4034, 5.1.4; RFC 4509")
def key_and_ds(world: World) -> None:
    for zone in (MERIDIAN, ODD):
        (name, keys), = keys_of(world, zone).items()
        line = next(it for it in world.key_records(zone) if " DS " in it)
        made = dns.dnssec.make_ds(name, keys[0], "SHA256").to_text()
        told = line.split(" DS ", 1)[1].split()
        expect_equal(made.lower().split(), [it.lower() for it in told], "the DS of the key")


@suite.case("keygen keeps the key to itself and never writes over one", "RFC 6781, 3.4")
def keygen_is_careful(world: World) -> None:
    path = world.keys / f"{MERIDIAN}pem"
    made = sorted(it.name for it in world.keys.iterdir())
    expect(path.is_file(), f"a key file {path.name}", made)
    mode = stat.S_IMODE(path.stat().st_mode)
    expect(mode & 0o077 == 0, "a key file that only its owner reads", oct(mode))
    before = path.read_bytes()
    command = [str(world.binary), "keygen", "--zone", MERIDIAN, "--dir", str(world.keys)]
    again = subprocess.run(command, capture_output=True, text=True, timeout=30)
    expect(again.returncode != 0 and again.stderr, "a refusal with a reason", again)
    expect(path.read_bytes() == before, "the same key", "another")


@suite.case("the DNSKEY answered is the one that was made, signed by itself", "RFC 4035, 2.1")
def dnskey(world: World) -> None:
    for zone in (MERIDIAN, ODD):
        answer = ask_signed(world, zone, "DNSKEY")
        (_, keys), = keys_of(world, zone).items()
        expect_equal([keys[0].to_text()], answer.answers("DNSKEY"), "the key")
        key = answer.find("answer", "DNSKEY")[0][0]
        told = (key.flags, key.protocol, int(key.algorithm))
        expect_equal((KEY_FLAGS, PROTOCOL, ALGORITHM), told, "flags, protocol and algorithm")
        check_signed(world, answer, zone)


@suite.case("every region's A, AAAA and HTTPS validate", "RFC 4035, 5.3")
def every_region(world: World) -> None:
    for name in (API, EU):
        seen = set()
        for text in NEAREST:
            for rtype in ("A", "AAAA", "HTTPS"):
                answer = ask_signed(world, name, rtype, of_network(text))
                expect(answer.rcode == "NOERROR" and answer.message.answer, "records", answer)
                check_signed(world, answer, MERIDIAN)
                if rtype != "HTTPS":
                    seen.add(region_of(answer, rtype))
        wanted = set(NEAREST.values()) if name == API else {"eu-central", "eu-west"}
        expect(seen <= wanted and len(seen) > 1, f"{name}: several of {sorted(wanted)}", seen)


@suite.case("two regions' answers are signed apart, each with its own signature", "RFC 4035, 2.2")
def two_regions(world: World) -> None:
    found = {}
    for text, region in NEAREST.items():
        answer = ask_signed(world, API, "A", of_network(text))
        expect_equal(addresses(region, "A"), answer.answers("A"), f"{text}: the addresses")
        found[region] = answer.answers("RRSIG")
    expect(len({str(it) for it in found.values()}) == len(found), "different signatures", found)


@suite.case("all that is there is signed, and nothing above 1232 bytes", "RFC 4035, 3.1.1")
def everything(world: World) -> None:
    largest = 0
    for zone, names in EXISTING.items():
        for name in names:
            for rtype in SIGNED_TYPES:
                answer = ask_signed(world, name, rtype)
                largest = max(largest, len(answer.wire))
                if answer.has(packet.TC):
                    expect(name == f"large.{ODD}", "TC for the large record only", answer)
                    answer = ask_signed(world, name, rtype, over="tcp")
                check_signed(world, answer, zone)
    expect(largest <= 1232, "answers of at most 1232 bytes", largest)
    world.figures["largest_signed_bytes"] = largest


@suite.case("without DO there are no signatures and no proofs", "RFC 4035, 3.1; RFC 3225, 3")
def without_do(world: World) -> None:
    for name, rtype in [(API, "A"), (MERIDIAN, "SOA"), (MERIDIAN, "NS"), (API, "TXT"),
                        ("nobody.meridian.example.", "A"), ("www.meridian.example.", "A"),
                        (API, "ANY"), (MERIDIAN, "DNSKEY")]:
        for question in (plain(name, rtype), spoken(name, rtype)):
            answer = ask(world.signed.address, question)
            for section in ("answer", "authority", "additional"):
                for kind in ("RRSIG", "NSEC"):
                    expect(not answer.find(section, kind), f"no {kind}", answer)


@suite.case("signed answers say what unsigned ones say", "RFC 4035, 3.1")
def same_data(world: World) -> None:
    for names in EXISTING.values():
        for name in names:
            for rtype in ("A", "AAAA", "HTTPS", "TXT", "MX", "NS"):
                signed = ask_signed(world, name, rtype, of_network(BERLIN), over="tcp")
                asked = spoken(name, rtype, of_network(BERLIN))
                unsigned = ask(world.plain.address, asked, "tcp")
                expect_equal(unsigned.answers(rtype), signed.answers(rtype), f"{name} {rtype}:")


@suite.case("NODATA is proved by the types that are there, and by exactly those",
            "RFC 4035, 3.1.3.1; RFC 4034, 4.1.2")
def bitmaps(world: World) -> None:
    for zone, names in EXISTING.items():
        for name in names:
            check_bitmap(world, zone, name)


def check_bitmap(world: World, zone: str, name: str) -> None:
    """An alias answers every type; its NSEC record is asked for by name."""
    is_alias = bool(ask_signed(world, name, "CNAME").answers("CNAME"))
    if is_alias:
        nsec = ask_signed(world, name, "NSEC").find("answer", "NSEC")
    else:
        answer = ask_signed(world, name, 65280)
        check_nodata(world, answer, name, 65280, zone)
        nsec = nsec_sets(answer)
    expect(len(nsec) == 1, f"an NSEC record of {name}", nsec)
    claimed = types_of(nsec[0])
    for code in [*range(1, 66), 99, 257]:
        if code in (41, 46) or is_alias and code not in (5, 47):
            continue
        found = ask_signed(world, name, code)
        # A cut answer has records, as there is nothing large but records here.
        has = found.has(packet.TC) or code in {int(it.rdtype) for it in found.message.answer}
        expect(has == (code in claimed), f"{name}: type {code} {'in' if has else 'not in'} the "
               "NSEC record", nsec[0])
        if not has:
            check_nodata(world, found, name, code, zone)


def missing_names(zone: str) -> list[str]:
    """Names that are not there: beside, below and between those that are, and at the limits."""
    numbers = random.Random(SEED)
    names = [it + zone for it in (
        "nobody.", "*.", "\\000.", "\\255.", "a.", "zzz.", "www0.", "ww.", "w.", "ap.", "api0.",
        "api-.", "API\\000.", "*.a.", "a.*.", "-.", "_.", "~.", "@.", "[.", "`.", "{.", "A.",
        "x.y.z.nobody.", "x." * 100, "a" * 62 + "b.", "a" * 62 + ".", "a" * 62 + "\\255.",
        "\\255" * 63 + ".", "\\000" * 63 + ".", "\\.\\..", "zZ\\255\\255.",
    )]
    for there in EXISTING[zone]:
        if there != zone:
            below = ("x.", "*.", "\\000.", "a.b.", "\\255" * 63 + ".")
            names += [label + there for label in below]
    longest = 255 - len(packet.name_wire(zone))
    for byte in ("a", "\\255", "\\000", "z"):
        labels, room = [], longest
        while room > 1:
            length = min(63, room - 1)
            labels.append(byte * length)
            room -= length + 1
        names.append(".".join(labels) + "." + zone)
    letters = string.ascii_letters + string.digits + "-_"
    for _ in range(NONEXISTENT_SAMPLES):
        label = "".join(numbers.choice(letters) for _ in range(numbers.randint(1, 30)))
        deeper = "".join(f"{numbers.choice(letters)}." for _ in range(numbers.randint(0, 4)))
        names.append(f"{deeper}{label}.{zone}")
    known = [dns.name.from_text(it) for it in EXISTING[zone]]
    exists = {above for it in known for above in (it, it.parent())}
    return [it for it in names if dns.name.from_text(it) not in exists]


@suite.case("NXDOMAIN is proved for names of every kind, and denies none that is there",
            "RFC 4035, 3.1.3.2; RFC 4470")
def nxdomain(world: World) -> None:
    largest = 0
    broken: list[str] = []
    for zone in (MERIDIAN, ODD):
        for name in missing_names(zone):
            answer = ask_signed(world, name)
            largest = max(largest, len(answer.wire))
            if answer.has(packet.TC):
                answer = ask_signed(world, name, over="tcp")
            try:
                check_nxdomain(world, answer, name, zone)
            except Failed as failure:
                ranges = ", ".join(f"{it.name} to {it[0].next}" for it in nsec_sets(answer))
                broken.append(f"{name}: wanted {failure.wanted}; came {answer.rcode}, {ranges}")
    world.figures["largest_signed_nxdomain_bytes"] = largest
    few = "\n".join(broken[:BROKEN_SHOWN])
    expect(not broken, "a good proof for every name", f"{len(broken)} names without:\n{few}")


@suite.case("the case of the question does not bend the proof", "RFC 4034, 6.1; RFC 4035, 5.3.2")
def case_of_proofs(world: World) -> None:
    for name in ("NoBody.MERIDIAN.example.", "X.Api.Meridian.Example.", "ZZZ.meridian.EXAMPLE."):
        check_nxdomain(world, ask_signed(world, name), name, MERIDIAN)
    answer = ask_signed(world, "aPI.MeRidian.EXAMPLE.", "TXT")
    check_nodata(world, answer, API, 16, MERIDIAN)
    check_signed(world, ask_signed(world, "aPI.MeRidian.EXAMPLE.", "A"), MERIDIAN)


@suite.case("the DS of the apex is the parent's: NODATA here", "RFC 4035, 3.1.4.1")
def ds_at_apex(world: World) -> None:
    for zone in (MERIDIAN, ODD):
        check_nodata(world, ask_signed(world, zone, "DS"), zone, 43, zone)


@suite.case("ANY is one signed record", "RFC 8482, 4.2")
def any_signed(world: World) -> None:
    answer = ask_signed(world, API, "ANY")
    expect_equal(['"RFC8482" ""'], answer.answers("HINFO"), "the record")
    expect(answer.counts[1] == 2, "it and its signature", answer)
    check_signed(world, answer, MERIDIAN)


@suite.case("every link of a chain is signed", "RFC 4035, 3.1.1")
def chain(world: World) -> None:
    answer = ask_signed(world, f"far.{ODD}", "A", of_network(BERLIN))
    kinds = [int(it.rdtype) for it in answer.message.answer if it.rdtype != dns.rdatatype.RRSIG]
    expect_equal([5, 5, 1], kinds, "two aliases and an address")
    check_signed(world, answer, ODD)
    # An alias to a name without such records: its NSEC record proves the absence.
    answer = ask_signed(world, "www.meridian.example.", "TXT")
    expect_equal([API], answer.answers("CNAME"), "the alias")
    sets = nsec_sets(answer)
    expect(len(sets) == 1 and sets[0].name.to_text() == API, f"the NSEC record of {API}", answer)
    check_signed(world, answer, MERIDIAN)


@suite.case("CD and DO in any mixture change nothing", "RFC 4035, 3.1.6")
def checking_disabled(world: World) -> None:
    for flags in (0, packet.CD, packet.AD, packet.CD | packet.AD | packet.RD):
        edns = Edns(flags=DO)
        answer = ask(world.signed.address, Question(API, "A", flags=flags, edns=edns))
        check_signed(world, answer, MERIDIAN)
