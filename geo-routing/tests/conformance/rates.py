"""Who asks too fast: what is dropped, what is cut, and who is let through all the same.

No RFC says how to limit rates; the rules are those of BIND and NSD, and RFC 7873 says what cookies
are for: whoever shows a good one cannot have forged its address.
"""

from __future__ import annotations

import socket
from dataclasses import replace

import packet
from asking import Answer, Address, ask, plain, spoken
from cookies import CLIENT, cookie_of, is_ours
from packet import Question, option
from report import Suite, expect, expect_equal
from server import API, Server, World
from tools import run

suite = Suite("rates")

FLOOD = 200
PER_SECOND = 10
# The first second's worth may come at once, and the flood may last a little.
LET_THROUGH_MAX = 4 * PER_SECOND
QUIET_SECONDS = 0.5


def limited(world: World) -> Server:
    """A server that limits the loopback, too, and cuts every answer that is over the rate."""
    rates = ("--rrl-records", str(PER_SECOND), "--rrl-negatives", str(PER_SECOND),
             "--rrl-slip", "1", "--rrl-exempt", "192.0.2.0/24", "--workers", "1")
    return world.once("limited", lambda: world.start(
        "limited", world.zones("limited"), *world.manners(), *rates))


def flood(address: Address, question: Question, source: str) -> list[Answer]:
    """The same question over and over."""
    return send_all(address, [replace(question, ident=it) for it in range(FLOOD)], source)


def send_all(address: Address, questions: list[Question], source: str) -> list[Answer]:
    """Asks without waiting, from an address of the case's own, and takes what comes."""
    answers: list[Answer] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind((source, 0))
        channel.connect(address)
        channel.settimeout(QUIET_SECONDS)
        for question in questions:
            channel.send(question.wire())
        while len(answers) < len(questions):
            try:
                answers.append(Answer(channel.recv(65535)))
            except TimeoutError:
                break
    return answers


def whole(answers: list[Answer]) -> list[Answer]:
    """Those with something to gain from."""
    return [it for it in answers if it.counts[1] or it.counts[2]]


@suite.case("a flood is answered with cuts, so that the honest come back by TCP",
            "BIND and NSD, response rate limiting")
def cut(world: World) -> None:
    address = limited(world).address
    for number, (name, rtype) in enumerate([(API, "A"), ("nobody.meridian.example.", "A")]):
        # Networks of 24 bits are counted together, so each flood has its own.
        answers = flood(address, plain(name, rtype), f"127.1.{number}.1")
        count = len(whole(answers))
        expect(count <= LET_THROUGH_MAX, f"at most {LET_THROUGH_MAX} whole answers", count)
        cuts = [it for it in answers if it.has(packet.TC)]
        expect(cuts, "answers with TC", f"{len(answers)} answers")
        expect(all(len(it.wire) <= len(plain(name, rtype).wire()) for it in cuts),
               "cuts no larger than the question", max(len(it.wire) for it in cuts))
        over_tcp = ask(address, plain(name, rtype), "tcp")
        expect(over_tcp.counts[1] or over_tcp.counts[2], "an answer over TCP", over_tcp)


@suite.case("different names of nothing count together", "BIND and NSD, response rate limiting")
def random_names(world: World) -> None:
    questions = [plain(f"x{number}.meridian.example.") for number in range(FLOOD)]
    answers = send_all(limited(world).address, questions, "127.1.9.1")
    count = len(whole(answers))
    expect(count <= LET_THROUGH_MAX, f"at most {LET_THROUGH_MAX} whole answers", count)


@suite.case("who shows half a cookie is told BADCOOKIE instead of cut", "RFC 7873, 5.2.3")
def bad_cookie(world: World) -> None:
    address = limited(world).address
    answers = flood(address, spoken(API, "A", option(packet.COOKIE, CLIENT)), "127.1.2.1")
    told = [it for it in answers if it.rcode == "BADCOOKIE"]
    expect(told, "answers with BADCOOKIE", {it.rcode for it in answers})
    for answer in told:
        expect_equal((0, 0), answer.counts[1:3], "records")
        is_ours(world, cookie_of(answer), "127.1.2.1")


@suite.case("who shows a good cookie is not limited", "RFC 7873, 5.2.5 and 7.1")
def good_cookie(world: World) -> None:
    address = limited(world).address
    asked = spoken(API, "A", option(packet.COOKIE, CLIENT))
    cookie = cookie_of(send_all(address, [asked], "127.1.3.1")[0])
    answers = flood(address, spoken(API, "A", option(packet.COOKIE, cookie)), "127.1.3.1")
    expect_equal(FLOOD, len([it for it in answers if it.answers("A")]), "whole answers")


@suite.case("a bad cookie does not lift the limit", "RFC 7873, 5.2.4")
def forged_cookie(world: World) -> None:
    forged = option(packet.COOKIE, CLIENT + b"\x01\0\0\0" + bytes(12))
    answers = flood(limited(world).address, spoken(API, "A", forged), "127.1.4.1")
    count = len(whole(answers))
    expect(count <= LET_THROUGH_MAX, f"at most {LET_THROUGH_MAX} whole answers", count)


@suite.case("one network's flood does not cost another its answers",
            "BIND and NSD, response rate limiting")
def others(world: World) -> None:
    address = limited(world).address
    flood(address, plain(API), "127.1.5.1")
    answer = ask(address, plain(API), "tcp")
    expect(answer.answers("A"), "an answer over TCP", answer)
    other = send_all(address, [plain(API)], "127.1.6.1")
    expect(other and other[0].answers("A"), "an answer to the other network", len(other))


@suite.case("dig gets through with the cookie it is given", "RFC 7873, 5.3", ["dig"])
def dig_retries(world: World) -> None:
    host, port = limited(world).address
    flood((host, port), plain(API), "127.1.7.1")
    told = run("dig", f"@{host}", "-p", str(port), "-b", "127.1.7.1", "+norec", "+tries=3",
               "+cookie", API, "A")
    good = "status: NOERROR" in told.stdout and "(good)" in told.stdout
    expect(good and "ANSWER: 1" in told.stdout, "NOERROR, an answer and a good cookie", told.stdout)
