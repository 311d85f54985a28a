"""Makes questions byte by byte, also wrong ones, and walks answers byte by byte.

dnspython reads the answers for the cases; this walk looks at what a reader of messages is glad to
overlook: where compression points to, and what lies behind the last record.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field, replace

import dns.name
import dns.rdatatype

# Bits of a header's second word (RFC 1035, 4.1.1; RFC 4035, 3).
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
# The bit of EDNS that asks for signatures (RFC 3225).
DO = 0x8000

# Option codes of EDNS.
NSID, SUBNET, EXPIRE, COOKIE, KEEPALIVE, PADDING = 3, 8, 9, 10, 11, 12

OPT = 41

# Where names stand in the data of types whose names may be compressed: the types of RFC 1035, and
# no newer ones (RFC 3597, 4). The number is of bytes before the first name.
COMPRESSIBLE = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1)}
# The same for types whose names stand in full: SRV, RRSIG, NSEC, SVCB and HTTPS.
PLAIN_NAMES = {33: (6, 1), 46: (18, 1), 47: (0, 1), 64: (2, 1), 65: (2, 1)}


class Malformed(Exception):
    """The walk found what no message may hold."""


def name_wire(name: str) -> bytes:
    """A name uncompressed, its case kept."""
    wire = dns.name.from_text(name).to_wire()
    assert wire is not None, "without a file to write to, it is returned"
    return wire


def option(code: int, value: bytes = b"") -> bytes:
    """An EDNS option with its head."""
    return struct.pack(">HH", code, len(value)) + value


@dataclass(frozen=True)
class Edns:
    """The OPT record of a question (RFC 6891, 6.1.2)."""

    payload: int = 1232
    version: int = 0
    flags: int = 0
    options: bytes = b""

    def wire(self) -> bytes:
        head = struct.pack(">BHHBBH", 0, OPT, self.payload, 0, self.version, self.flags)
        return head + struct.pack(">H", len(self.options)) + self.options


@dataclass(frozen=True)
class Question:
    """A question as it is sent; whatever is not said is as usual."""

    name: str
    rtype: str | int = "A"
    rclass: int = 1
    flags: int = 0
    opcode: int = 0
    edns: Edns | None = None
    ident: int = field(default_factory=lambda: secrets.randbelow(1 << 16))

    def type_code(self) -> int:
        return self.rtype if isinstance(self.rtype, int) else dns.rdatatype.from_text(self.rtype)

    def with_options(self, *options: bytes, **changes: int) -> Question:
        """The same with EDNS and these options."""
        edns = replace(self.edns or Edns(), options=b"".join(options), **changes)
        return replace(self, edns=edns)

    def wire(self) -> bytes:
        asked = name_wire(self.name) + struct.pack(">HH", self.type_code(), self.rclass)
        word = self.flags | self.opcode << 11
        opt = self.edns.wire() if self.edns else b""
        return header(self.ident, word, (1, 0, 0, 1 if opt else 0)) + asked + opt


def header(ident: int, word: int, counts: tuple[int, int, int, int]) -> bytes:
    """The twelve bytes before everything else."""
    return struct.pack(">HHHHHH", ident, word, *counts)


@dataclass(frozen=True)
class Walked:
    """What the walk saw of one record."""

    section: int
    owner: tuple[bytes, ...]
    rtype: int
    rclass: int
    ttl: int
    data: bytes


@dataclass(frozen=True)
class Opt:
    """The OPT record of an answer."""

    payload: int
    rcode_high: int
    version: int
    flags: int
    options: tuple[tuple[int, bytes], ...]


def opt_of(records: list[Walked]) -> Opt | None:
    """The OPT record among those walked; it stands once, at the root, in the additional section."""
    found = [it for it in records if it.rtype == OPT]
    if not found:
        return None
    record, *more = found
    if more or record.owner or record.section != 3:
        raise Malformed("more than one OPT record, or one in the wrong place")
    options = []
    rest = record.data
    while rest:
        if len(rest) < 4 or len(rest) < 4 + struct.unpack(">H", rest[2:4])[0]:
            raise Malformed("an option goes beyond the OPT record")
        code, length = struct.unpack(">HH", rest[:4])
        options.append((code, rest[4 : 4 + length]))
        rest = rest[4 + length :]
    high, version, flags = struct.unpack(">BBH", struct.pack(">I", record.ttl))
    return Opt(record.rclass, high, version, flags, tuple(options))


def walk(wire: bytes) -> list[Walked]:
    """Goes through a message from end to end, and complains of what is not as it should be.

    A pointer leads to an earlier name of the message (RFC 1035, 4.1.4), never forward, never into
    the header and never between two labels.
    """
    if len(wire) < 12:
        raise Malformed(f"{len(wire)} bytes are no header")
    counts = struct.unpack(">HHHH", wire[4:12])
    labels: set[int] = set()
    at = 12
    for _ in range(counts[0]):
        _, at = read_name(wire, at, labels)
        at += 4
    records = []
    for section, count in enumerate(counts[1:], start=1):
        for _ in range(count):
            owner, at = read_name(wire, at, labels)
            if at + 10 > len(wire):
                raise Malformed("a record ends in its head")
            rtype, rclass, ttl, length = struct.unpack(">HHIH", wire[at : at + 10])
            at += 10
            walk_data(wire, at, length, rtype, labels)
            data = wire[at : at + length]
            records.append(Walked(section, owner, rtype, rclass, ttl, data))
            at += length
    if at != len(wire):
        raise Malformed(f"the sections end at byte {at} of {len(wire)}")
    return records


def walk_data(wire: bytes, at: int, length: int, rtype: int, labels: set[int]) -> None:
    """Reads the names inside a record's data, where its type has any."""
    end = at + length
    if end > len(wire):
        raise Malformed(f"data of type {rtype} go beyond the message")
    may_point = rtype in COMPRESSIBLE
    skip, names = COMPRESSIBLE.get(rtype) or PLAIN_NAMES.get(rtype) or (0, 0)
    at += skip
    for _ in range(names):
        _, at = read_name(wire, at, labels, may_point)
    if at > end:
        raise Malformed(f"a name goes beyond its data of type {rtype}")


def read_name(
    wire: bytes, start: int, labels: set[int], may_point: bool = True
) -> tuple[tuple[bytes, ...], int]:
    """Reads a name, and adds the places of its labels to those that may be pointed at."""
    found: list[bytes] = []
    own: set[int] = set()
    after = 0
    at = limit = start
    while True:
        if at >= len(wire):
            raise Malformed(f"the name at byte {start} goes beyond the message")
        length = wire[at]
        if length >= 0xC0:
            if not may_point:
                raise Malformed(f"the name at byte {start} is compressed in a type that forbids it")
            target = struct.unpack(">H", wire[at : at + 2])[0] & 0x3FFF
            if target >= limit or target not in labels:
                raise Malformed(f"the pointer at byte {at} leads to {target}, no earlier label")
            after = after or at + 2
            at = limit = target
            continue
        if length > 63:
            raise Malformed(f"the label at byte {at} claims {length} bytes")
        if not after:
            own.add(at)
        if length == 0:
            break
        found.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    if sum(len(label) + 1 for label in found) + 1 > 255:
        raise Malformed(f"the name at byte {start} is longer than 255 bytes")
    labels |= own
    return tuple(found), after or at + 1
