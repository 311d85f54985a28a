"""Cookies (RFC 7873), checked with an implementation of RFC 9018 of the cases' own."""

from __future__ import annotations

import socket
import struct
import time

import packet
from asking import Answer, ask, ask_wire, spoken, udp_answer
from packet import option
from report import Suite, expect, expect_equal, present
from server import API, MERIDIAN, World

suite = Suite("cookies")

CLIENT = bytes.fromhex("2464c4abcf10c957")
# How far the server's clock may be from ours: it is the same one, but it is read later.
CLOCK_SECONDS = 10
HOUR = 3600
MASK = (1 << 64) - 1


def siphash_2_4(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4, as Aumasson and Bernstein describe it; the cookie's hash (RFC 9018, 4.4)."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (64 - bits)) & MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def make(secret: str, client: bytes, made: int, address: str = "127.0.0.1") -> bytes:
    """The whole cookie that a server with this secret gives (RFC 9018, 4)."""
    head = client + b"\x01\0\0\0" + struct.pack(">I", made & 0xFFFFFFFF)
    return head + siphash_2_4(bytes.fromhex(secret), head + socket.inet_aton(address))


def cookie_of(answer: Answer) -> bytes:
    cookie = answer.option(packet.COOKIE)
    return present(cookie, "a cookie in the answer (RFC 7873, 5.2.3)", answer)


def is_ours(world: World, cookie: bytes, address: str = "127.0.0.1") -> None:
    """The cookie is the one that RFC 9018 gives, made just now."""
    expect_equal(24, len(cookie), "bytes of the cookie:")
    expect_equal(CLIENT.hex(), cookie[:8].hex(), "the client's half repeated:")
    expect_equal(b"\x01\0\0\0", cookie[8:12], "version 1 and three zero bytes:")
    made = struct.unpack(">I", cookie[12:16])[0]
    near = abs(made - int(time.time())) <= CLOCK_SECONDS
    expect(near, f"a time within {CLOCK_SECONDS} s of now", made)
    wanted = make(world.cookie_secret, CLIENT, made, address)
    expect_equal(wanted.hex(), cookie.hex(), "the cookie of RFC 9018:")


def ask_with(world: World, cookie: bytes, over: str = "udp") -> Answer:
    return ask(world.plain.address, spoken(API, "A", option(packet.COOKIE, cookie)), over)


@suite.case("our own reckoning gives the example of the RFC", "RFC 9018, A.1")
def example(_: World) -> None:
    made = make("e5e973e5a6b2a43f48e7dc849e37bfcf", CLIENT, 1559731985, "198.51.100.100")
    expect_equal("2464c4abcf10c957010000005cf79f111f8130c3eee29480", made.hex(), "the cookie")


@suite.case("the client's half alone gets a whole cookie, and its answer", "RFC 7873, 5.2.3")
def client_only(world: World) -> None:
    for over in ("udp", "tcp"):
        answer = ask_with(world, CLIENT, over)
        expect(answer.rcode == "NOERROR" and answer.answers("A"), "the answer", answer)
        is_ours(world, cookie_of(answer))


@suite.case("a good cookie gets its answer, and a good cookie", "RFC 7873, 5.2.5; RFC 9018, 4.3")
def good(world: World) -> None:
    now = int(time.time())
    for made in (now, now - HOUR // 4, now - HOUR + 60, now + 200):
        for over in ("udp", "tcp"):
            answer = ask_with(world, make(world.cookie_secret, CLIENT, made), over)
            expect(answer.rcode == "NOERROR" and answer.answers("A"), "the answer", answer)
            cookie = cookie_of(answer)
            expect_equal(CLIENT, cookie[:8], "the client's half")
            age = now - struct.unpack(">I", cookie[12:16])[0]
            # Past its half the server renews it (RFC 9018, 4.3).
            expect(age <= HOUR // 2 + CLOCK_SECONDS, "a cookie not older than half an hour", age)


@suite.case("what the server gave, it takes", "RFC 7873, 5.2.5")
def round_trip(world: World) -> None:
    given = cookie_of(ask_with(world, CLIENT))
    answer = ask_with(world, given)
    expect(answer.rcode == "NOERROR" and answer.answers("A"), "the answer", answer)


def bad_cookies(secret: str) -> dict[str, bytes]:
    now = int(time.time())
    whole = make(secret, CLIENT, now)
    return {
        "of zeros": CLIENT + bytes(16),
        "of another secret": make("00" * 16, CLIENT, now),
        "of another address": make(secret, CLIENT, now, "127.0.0.9"),
        "of another client": CLIENT + make(secret, bytes(8), now)[8:],
        "two hours old": make(secret, CLIENT, now - 2 * HOUR),
        "an hour ahead": make(secret, CLIENT, now + HOUR),
        "of version 2": whole[:8] + b"\2" + whole[9:],
        "with reserved bits": whole[:9] + b"\1" + whole[10:],
        "with one bit bent": whole[:-1] + bytes([whole[-1] ^ 1]),
        "of 8 foreign bytes": CLIENT + b"meridian",
        "of 9 foreign bytes": CLIENT + b"meridian!",
        "of 32 foreign bytes": CLIENT + b"meridian" * 4,
    }


@suite.case("a bad cookie is replaced: with the answer, or with BADCOOKIE", "RFC 7873, 5.2.4")
def bad(world: World) -> None:
    for what, cookie in bad_cookies(world.cookie_secret).items():
        answer = ask_with(world, cookie)
        allowed = ("NOERROR", "BADCOOKIE")
        expect(answer.rcode in allowed, f"a server cookie {what}: {allowed}", answer)
        expect(answer.rcode == "NOERROR" or not answer.counts[1], "no records", answer)
        is_ours(world, cookie_of(answer))
        over_tcp = ask_with(world, cookie, "tcp")
        expect(over_tcp.rcode == "NOERROR", "NOERROR over TCP, which proves as much", over_tcp)


for length in [*range(8), *range(9, 16), 41, 48, 100]:

    def malformed(world: World, length: int = length) -> None:
        for over in ("udp", "tcp"):
            answer = ask_with(world, bytes(length), over)
            expect(answer.rcode == "FORMERR", "FORMERR", answer)
            expect(answer.counts[1:3] == (0, 0), "no records", answer)

    suite.add(f"a cookie of {length} bytes is refused", "RFC 7873, 5.2.2", malformed)


@suite.case("no cookie asked, none given", "RFC 7873, 5.2.1")
def none(world: World) -> None:
    answer = ask(world.plain.address, spoken(API))
    expect(answer.rcode == "NOERROR", "NOERROR", answer)
    expect(answer.option(packet.COOKIE) is None, "no cookie", answer)


@suite.case("of two cookies the first counts", "RFC 7873, 5.2")
def two(world: World) -> None:
    for second in (bytes(8), bytes(24), bytes(3)):
        asked = spoken(API, "A", option(packet.COOKIE, CLIENT), option(packet.COOKIE, second))
        answer = ask(world.plain.address, asked)
        if len(second) == 3 and answer.rcode == "FORMERR":
            continue  # The second is ignored by its place, but it is malformed all the same.
        expect(answer.rcode == "NOERROR", "NOERROR", answer)
        is_ours(world, cookie_of(answer))


@suite.case("every kind of answer carries the cookie", "RFC 7873, 5.2.3")
def everywhere(world: World) -> None:
    for name, rtype in [(MERIDIAN, "SOA"), ("nobody.meridian.example.", "A"), (API, "TXT"),
                        ("example.org.", "A"), (API, "ANY"), (MERIDIAN, "AXFR")]:
        asked = spoken(name, rtype, option(packet.COOKIE, CLIENT))
        is_ours(world, cookie_of(ask(world.plain.address, asked)))


@suite.case("the cookie is bound to the address it is sent to", "RFC 9018, 4.4")
def bound(world: World) -> None:
    for source in ("127.0.0.1", "127.0.0.7", "127.8.9.10"):
        wire = spoken(API, "A", option(packet.COOKIE, CLIENT)).wire()
        is_ours(world, cookie_of(udp_answer(world.plain.address, wire, source)), source)


def without_question(world: World, cookie: bytes) -> Answer:
    """A question without a question, which only asks for a cookie."""
    edns = packet.Edns(options=option(packet.COOKIE, cookie))
    return ask_wire(world.plain.address, packet.header(99, 0, (0, 0, 0, 1)) + edns.wire())


@suite.case("a cookie can be asked for without a question", "RFC 7873, 5.4")
def no_question(world: World) -> None:
    good_cookie = make(world.cookie_secret, CLIENT, int(time.time()))
    for cookie, rcode in ((CLIENT, "NOERROR"), (good_cookie, "NOERROR"),
                          (CLIENT + bytes(16), "BADCOOKIE")):
        answer = without_question(world, cookie)
        expect(answer.rcode == rcode, rcode, answer)
        expect(answer.counts[1] == 0, "an empty answer section", answer)
        is_ours(world, cookie_of(answer))
