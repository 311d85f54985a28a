"""TCP (RFC 7766): lengths, pipelines, pieces, and connections that end in odd ways."""

from __future__ import annotations

import socket
import struct
import time

import packet
from asking import ANSWER_SECONDS, Stream, ask, framed, plain, spoken
from ecs import of_network
from packet import Question
from report import Suite, expect, expect_equal, present
from server import API, BERLIN, MERIDIAN, NEAREST, ODD, World, addresses

suite = Suite("streams")

PIPELINED = 100


def still_answers(world: World) -> None:
    """After whatever was done to it."""
    for over in ("udp", "tcp"):
        expect(ask(world.plain.address, plain(API), over).rcode == "NOERROR", "NOERROR", over)


def questions(count: int) -> dict[int, Question]:
    """Different questions by their ids."""
    kinds = [(API, "A"), (API, "AAAA"), (MERIDIAN, "SOA"), ("nobody.meridian.example.", "A"),
             (f"large.{ODD}", "TXT"), (f"far.{ODD}", "A"), ("example.org.", "A")]
    return {ident: Question(*kinds[ident % len(kinds)], ident=ident) for ident in range(count)}


def receive_all(stream: Stream, asked: dict[int, Question]) -> None:
    """Expects an answer to each, in any order (RFC 7766, 6.2.1.1)."""
    missing = dict(asked)
    while missing:
        answer = stream.answer()
        question = missing.pop(answer.ident, None)
        question = present(question, "an answer to something asked, once", answer)
        expect_equal(question.wire()[12:], answer.wire[12 : len(question.wire())], "the question")


@suite.case(f"{PIPELINED} questions in one segment", "RFC 7766, 6.2.1.1")
def pipelined(world: World) -> None:
    asked = questions(PIPELINED)
    with Stream(world.plain.address) as stream:
        stream.send(*(question.wire() for question in asked.values()))
        receive_all(stream, asked)


@suite.case("one question after another on one connection", "RFC 7766, 6.2.1")
def one_by_one(world: World) -> None:
    with Stream(world.plain.address) as stream:
        for ident, question in questions(50).items():
            stream.send(question.wire())
            receive_all(stream, {ident: question})


@suite.case("a question byte by byte", "RFC 1035, 4.2.2; RFC 7766, 8")
def byte_by_byte(world: World) -> None:
    question = spoken(API, "A", of_network(BERLIN))
    with Stream(world.plain.address) as stream:
        for byte in framed(question.wire()):
            stream.channel.sendall(bytes([byte]))
            time.sleep(0.002)
        answer = stream.answer()
        expect_equal(addresses(NEAREST[BERLIN], "A"), answer.answers("A"), "the addresses")


@suite.case("one and a half questions, then the rest", "RFC 7766, 8")
def one_and_a_half(world: World) -> None:
    first, second = (Question(API, "A", ident=ident) for ident in (1, 2))
    both = framed(first.wire()) + framed(second.wire())
    for cut in (len(framed(first.wire())) + 1, len(both) - 5):
        with Stream(world.plain.address) as stream:
            stream.channel.sendall(both[:cut])
            receive_all(stream, {1: first})
            stream.channel.sendall(both[cut:])
            receive_all(stream, {2: second})


@suite.case("who shuts its half down still gets its answers", "RFC 9293, 3.6; RFC 1035, 4.2.2")
def half_closed(world: World) -> None:
    asked = questions(10)
    with Stream(world.plain.address) as stream:
        stream.send(*(question.wire() for question in asked.values()))
        stream.channel.shutdown(socket.SHUT_WR)
        receive_all(stream, asked)
        expect(stream.receive() is None, "the server's end closed, too", "more")


@suite.case("an answer above 1232 bytes comes whole", "RFC 7766, 5")
def large(world: World) -> None:
    answer = ask(world.plain.address, plain(f"large.{ODD}", "TXT"), "tcp")
    expect(not answer.has(packet.TC) and len(answer.answers("TXT")) == 9, "nine records", answer)


@suite.case("a question of 65535 bytes is answered", "RFC 1035, 4.2.2; RFC 7830, 3")
def longest(world: World) -> None:
    head = len(spoken(API).wire()) + 4
    filled = packet.option(packet.PADDING, bytes(65535 - head))
    with Stream(world.plain.address) as stream:
        stream.send(spoken(API, "A", filled).wire())
        answer = stream.answer()
        expect(answer.rcode == "NOERROR", "NOERROR", answer)
    still_answers(world)


@suite.case("65535 bytes of nonsense are refused or hung up on", "RFC 1035, 4.2.2")
def nonsense(world: World) -> None:
    for byte in (0x00, 0x4D):
        with Stream(world.plain.address) as stream:
            stream.send(bytes([byte]) * 65535)
            came = stream.receive()
            expect(came is None or came[3] & 0xF in (1, 4), "FORMERR, NOTIMP or a closed "
                   "connection", came and came[:12].hex())
    still_answers(world)


@suite.case("messages of no bytes, and shorter than a header", "RFC 1035, 4.2.2")
def short(world: World) -> None:
    for length in (0, 1, 11):
        with Stream(world.plain.address, seconds=1.0) as stream:
            stream.send(bytes(length))
            try:
                came = stream.receive()
            except TimeoutError:
                came = None
            expect(came is None, "a closed connection or silence", came and came.hex())
    still_answers(world)


@suite.case("a message that is an answer is not answered", "RFC 1035, 4.1.1")
def answers(world: World) -> None:
    with Stream(world.plain.address, seconds=1.0) as stream:
        stream.send(Question(API, "A", flags=packet.QR, ident=1).wire())
        try:
            stream.send(Question(API, "A", ident=2).wire())
            came = stream.receive()
        except (TimeoutError, ConnectionError):
            came = None
        # It may hang up on such a peer, but it may not answer the answer.
        expect(came is None or came[:2] == b"\0\2", "no answer to it", came and came.hex())
    still_answers(world)


@suite.case("who hangs up in the middle does no harm", "RFC 7766, 6.2.4")
def hang_up(world: World) -> None:
    wire = framed(plain(f"large.{ODD}", "TXT").wire())
    for cut in (0, 1, 2, 10, len(wire)):
        for reset in (False, True):
            stream = Stream(world.plain.address)
            stream.channel.sendall(wire[:cut])
            if reset:
                # Closing with this set sends a reset instead of an end.
                linger = struct.pack("ii", 1, 0)
                stream.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            stream.channel.close()
    still_answers(world)


@suite.case("who asks much and reads nothing holds up nobody else", "RFC 7766, 10")
def deaf(world: World) -> None:
    wire = framed(plain(f"large.{ODD}", "TXT").wire())
    with Stream(world.plain.address, seconds=1.0) as stream:
        try:
            for _ in range(4):
                stream.channel.sendall(wire * 1000)
        except (TimeoutError, ConnectionError):
            pass  # Its buffer is full, or it has had enough; both are right.
        still_answers(world)


@suite.case("thirty connections at once", "RFC 7766, 6.2.2 and 10")
def many(world: World) -> None:
    streams = [Stream(world.plain.address) for _ in range(30)]
    try:
        for stream in streams:
            stream.send(Question(API, "A", ident=7).wire())
        for stream in reversed(streams):
            receive_all(stream, {7: Question(API, "A", ident=7)})
    finally:
        for stream in streams:
            stream.channel.close()


@suite.case("an idle connection is kept for some seconds and not for ever", "RFC 7766, 6.2.3",
            is_slow=True)
def idle(world: World) -> None:
    with Stream(world.plain.address, seconds=3.0) as stream:
        time.sleep(1.5)
        stream.send(Question(API, "A", ident=3).wire())
        receive_all(stream, {3: Question(API, "A", ident=3)})
        stream.channel.settimeout(60.0)
        started = time.monotonic()
        expect(stream.receive() is None, "an end", "a message")
        waited = time.monotonic() - started
        expect(ANSWER_SECONDS <= waited + 1, "some seconds of patience", f"{waited:.1f} s")
