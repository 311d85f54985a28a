"""Sends packets to a server and reads what comes back, with dnspython as the reader."""

from __future__ import annotations

import socket
import struct
import time
from functools import cached_property
from typing import Any, Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

import packet
from packet import Edns, Question
from report import Failed, expect, present

Address = tuple  # Host and port, as sockets take them.

# How long an answer may take. Everything is on one machine, but the machine may be busy.
ANSWER_SECONDS = 5.0
# How long silence must last to count as silence.
SILENCE_SECONDS = 0.3


class Answer:
    """An answer: its bytes walked, and dnspython's reading of them where records matter."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        try:
            self.opt = packet.opt_of(packet.walk(wire))
        except packet.Malformed as fault:
            raise Failed("a well-formed message (RFC 1035, 4.1)", f"{fault}: {wire.hex()}")
        self.ident, self.word, *counts = struct.unpack(">HHHHHH", wire[:12])
        self.counts = tuple(counts)

    @cached_property
    def message(self) -> dns.message.Message:
        try:
            return dns.message.from_wire(self.wire)
        except (dns.exception.DNSException, ValueError) as error:
            raise Failed("a message that dnspython reads", f"{error!r}: {self.wire.hex()}")

    def has(self, flag: int) -> bool:
        return bool(self.word & flag)

    @property
    def opcode(self) -> int:
        return self.word >> 11 & 0xF

    @property
    def rcode(self) -> str:
        """The response code, with the bits that EDNS adds."""
        high = self.opt.rcode_high if self.opt else 0
        code = high << 4 | self.word & 0xF
        return "BADVERS" if code == 16 else dns.rcode.to_text(dns.rcode.Rcode.make(code))

    @property
    def edns(self) -> packet.Opt:
        """The OPT record, where there must be one."""
        return present(self.opt, "an OPT record (RFC 6891, 6.1.1)", self)

    def option(self, code: int) -> bytes | None:
        """The value of an option; two of them are a fault."""
        found = [value for otype, value in self.opt.options if otype == code] if self.opt else []
        expect(len(found) < 2, f"option {code} at most once", self)
        return found[0] if found else None

    def answers(self, rtype: str) -> list[str]:
        """The data of the answer section's records of a type, sorted."""
        return sorted(data.to_text() for rrset in self.find("answer", rtype) for data in rrset)

    def find(self, section: str, rtype: str) -> list[dns.rrset.RRset]:
        """The sets of a type in a section: answer, authority or additional."""
        code = dns.rdatatype.from_text(rtype)
        return [it for it in getattr(self.message, section) if it.rdtype == code]

    def __str__(self) -> str:
        """One line a reader can judge by, and the records."""
        flags = dns.flags.to_text(self.word & 0x87B0).lower()
        opcode = f" opcode {self.opcode}" if self.opcode else ""
        lines = [f"{self.rcode}{opcode}; flags {flags}; sections {self.counts}"]
        if self.opt:
            told = " ".join(f"{code}:{value.hex() or '-'}" for code, value in self.opt.options)
            edns = f"version {self.opt.version}, flags {self.opt.flags:#06x}"
            lines.append(f"OPT {edns}, payload {self.opt.payload}, options {told or 'none'}")
        try:
            for section in (self.message.answer, self.message.authority, self.message.additional):
                lines.extend(line for rrset in section for line in rrset.to_text().splitlines())
        except Failed as fault:
            lines.append(fault.came)
        return "\n".join(lines)


def udp(
    address: Address,
    wire: bytes,
    seconds: float = ANSWER_SECONDS,
    source: str = "",
) -> bytes | None:
    """Sends a datagram; what comes back, or None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        if source:
            channel.bind((source, 0))
        # Connected, so that an answer from another address is not taken for one.
        channel.connect(address)
        channel.settimeout(seconds)
        channel.send(wire)
        try:
            return channel.recv(65535)
        except TimeoutError:
            return None


def udp_answer(address: Address, wire: bytes, source: str = "") -> Answer:
    """Sends a datagram that must be answered."""
    came = udp(address, wire, source=source)
    return Answer(present(came, "an answer", f"silence after {wire.hex()}"))


def silent(address: Address, wire: bytes) -> None:
    """Expects that a datagram is not answered."""
    came = udp(address, wire, SILENCE_SECONDS)
    expect(came is None, "silence", came.hex() if came else "")


class Stream:
    """A TCP connection with DNS messages on it, each behind its length (RFC 1035, 4.2.2)."""

    def __init__(
        self,
        address: Address,
        wrap: Callable[[socket.socket], Any] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        plain = socket.create_connection(address, timeout=seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.channel: Any = wrap(plain) if wrap else plain
        self.channel.settimeout(seconds)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def send(self, *wires: bytes) -> None:
        self.channel.sendall(b"".join(framed(wire) for wire in wires))

    def answer(self) -> Answer:
        """The next message, where there must be one."""
        return Answer(present(self.receive(), "an answer", "a closed connection"))

    def receive(self) -> bytes | None:
        """The next message; None when the server has closed."""
        head = self.exactly(2)
        return None if head is None else self.exactly(struct.unpack(">H", head)[0])

    def exactly(self, length: int) -> bytes | None:
        data = b""
        while len(data) < length:
            try:
                more = self.channel.recv(length - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data


def framed(wire: bytes) -> bytes:
    return struct.pack(">H", len(wire)) + wire


def tcp(address: Address, wire: bytes) -> bytes | None:
    """Asks over a connection of its own; None when the server closes without an answer."""
    with Stream(address) as stream:
        stream.send(wire)
        return stream.receive()


def ask_wire(address: Address, wire: bytes, over: str = "udp") -> Answer:
    """Sends bytes and expects an answer with the same id."""
    came = udp(address, wire) if over == "udp" else tcp(address, wire)
    if came is None:
        raise Failed("an answer", "silence" if over == "udp" else "a closed connection")
    answer = Answer(came)
    expect(answer.has(packet.QR), "the QR bit in an answer (RFC 1035, 4.1.1)", answer)
    expect(answer.ident == struct.unpack(">H", wire[:2])[0], "the id of the question", answer)
    return answer


def ask(address: Address, question: Question, over: str = "udp") -> Answer:
    """Asks a well-formed question. What holds for every answer is looked at here."""
    answer = ask_wire(address, question.wire(), over)
    check_always(answer, question, over)
    return answer


def check_always(answer: Answer, question: Question, over: str) -> None:
    """The rules that no answer to a question of one's own breaks."""
    message = answer.message  # dnspython reads it, or says why not.
    expect(message.id == answer.ident, "dnspython to read the same id", message.id)
    expect(answer.opcode == question.opcode, f"opcode {question.opcode} repeated", answer)
    expect(not answer.has(packet.RA), "RA clear: no recursion here (RFC 1035, 4.1.1)", answer)
    expect(not answer.has(packet.Z), "the Z bit clear (RFC 1035, 4.1.1)", answer)
    expect(not answer.has(packet.AD), "AD clear in our own data (RFC 4035, 3.1.6)", answer)
    both = bool(question.flags & packet.RD) == answer.has(packet.RD)
    expect(both, "RD as it was asked (RFC 1035, 4.1.1)", answer)
    expect((answer.opt is None) == (question.edns is None), "EDNS if, and only if, it was spoken "
           "(RFC 6891, 6.1.1 and 7)", answer)
    if question.edns is None:
        limit = 512
    else:
        limit = max(512, question.edns.payload)
        expect(answer.edns.version == 0, "EDNS version 0 (RFC 6891, 6.1.3)", answer)
        zeros = answer.edns.flags & ~packet.DO
        expect(zeros == 0, "the Z bits of EDNS clear (RFC 6891, 6.1.4)", answer)
    if over == "udp":
        expect(len(answer.wire) <= limit, f"at most {limit} bytes (RFC 6891, 6.2.5)", answer)
    if answer.counts[0] or answer.rcode not in ("FORMERR", "NOTIMP"):
        asked = question.wire()[12 : 12 + len(packet.name_wire(question.name)) + 4]
        repeated = answer.wire[12 : 12 + len(asked)]
        good = answer.counts[0] == 1 and repeated == asked
        expect(good, "the question repeated to the bit (RFC 1035, 4.1.2)", answer)


def plain(name: str, rtype: str | int = "A", rclass: int = 1) -> Question:
    """A question without EDNS."""
    return Question(name, rtype, rclass)


def spoken(name: str, rtype: str | int = "A", *options: bytes, **changes: int) -> Question:
    """A question in EDNS."""
    edns = Edns(options=b"".join(options), **changes)
    return Question(name, rtype, edns=edns)


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for a condition, for so long and no longer."""
    end = time.monotonic() + seconds
    while not is_so():
        expect(time.monotonic() < end, f"{what} within {seconds} s", "nothing of the kind")
        time.sleep(0.02)
