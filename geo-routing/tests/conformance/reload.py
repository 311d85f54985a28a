"""New files while questions come: none is lost, and a bad file changes nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from asking import ask, plain, spoken, wait_until
from dnssec import check_signed, keys_of
from packet import DO
from report import Suite, expect, expect_equal
from server import API, MERIDIAN, MERIDIAN_ZONE, ODD, ODD_ZONE, Server, World, zone_text

suite = Suite("reload")

VERSION = f"version.{ODD}"
QUESTIONS = 2000
# A pause between questions, so that they last for several reloads and leave others some of the
# machine.
PAUSE_SECONDS = 0.002
CHANGE_EVERY_SECONDS = 0.5
# Files are looked at every second, and used when two looks find the same.
NOTICED_SECONDS = 10.0


def start(world: World) -> Server:
    """A signed server whose files are ours to change."""
    keys = str(world.keys)
    zones = world.zones("reload", signed=True)
    return world.once("reload", lambda: world.start("reload", zones, "--dnssec-keys", keys))


def odd_file(world: World) -> Path:
    return world.path("reload/zones/odd.toml")


def odd_text(version: str, serial: int = 1) -> str:
    text = zone_text(ODD_ZONE, signed=True)
    return text.replace("'\"one\"'", f"'\"{version}\"'").replace("serial = 1", f"serial = {serial}")


def replace(file: Path, text: str) -> None:
    """Puts a file in the place of another at once, as deployments do."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)


def version_of(server: Server) -> list[str]:
    return ask(server.address, plain(VERSION, "TXT")).answers("TXT")


def wait_for_version(server: Server, version: str) -> None:
    wanted = [f'"{version}"']
    wait_until(lambda: version_of(server) == wanted, NOTICED_SECONDS, f"the text {version}")


class Load:
    """Asks one question after another, on a thread of its own, and keeps what went wrong."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answered = 0
        self.wrong: list[str] = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        kinds = [plain(VERSION, "TXT"), spoken(API, "A"), plain(ODD, "SOA"),
                 spoken(VERSION, "TXT", flags=DO), plain(f"nobody.{ODD}")]
        for number in range(QUESTIONS):
            question = kinds[number % len(kinds)]
            over = "tcp" if number % 50 == 49 else "udp"
            wanted = "NXDOMAIN" if question.name.startswith("nobody") else "NOERROR"
            try:
                answer = ask(self.server.address, question, over)
                if answer.rcode != wanted:
                    self.wrong.append(f"{question.name} {question.rtype}: {answer}")
                self.answered += 1
            except Exception as error:  # Whatever it is, the question was not answered.
                self.wrong.append(f"{question.name} over {over}: {error!r}")
            time.sleep(PAUSE_SECONDS)


@suite.case(f"{QUESTIONS} questions during reloads, and all are answered", "crate README")
def nothing_lost(world: World) -> None:
    server = start(world)
    load = Load(server)
    changes = 0
    while load.thread.is_alive():
        changes += 1
        replace(odd_file(world), odd_text(f"change {changes}", changes + 1))
        server.hang_up()
        load.thread.join(CHANGE_EVERY_SECONDS)
    expect(not load.wrong, "every answer right", "\n".join(load.wrong[:3]))
    expect_equal(QUESTIONS, load.answered, "answers")
    expect(changes >= 3, "several reloads meanwhile", changes)
    wait_for_version(server, f"change {changes}")
    soa = ask(server.address, plain(ODD, "SOA")).find("answer", "SOA")[0][0]
    expect_equal(changes + 1, soa.serial, "the serial")
    world.figures["reload"] = {"questions": load.answered, "lost": 0, "reloads": changes}


@suite.case("what is reloaded is signed anew", "RFC 4035, 2.2")
def signed_anew(world: World) -> None:
    server = start(world)
    replace(odd_file(world), odd_text("signed"))
    server.hang_up()
    wait_for_version(server, "signed")
    answer = ask(server.address, spoken(VERSION, "TXT", flags=DO))
    expect(answer.find("answer", "RRSIG") and keys_of(world, ODD), "a signature", answer)
    check_signed(world, answer, ODD)


@suite.case("a file that changes is noticed without being told", "crate README")
def noticed(world: World) -> None:
    server = start(world)
    replace(odd_file(world), odd_text("noticed"))
    wait_for_version(server, "noticed")


GOOD = odd_text("bad")
BAD_FILES = {
    "no TOML": "origin = [",
    "an empty file": "",
    "a field nobody knows": GOOD.replace("ttl_geo", "ttl_goe"),
    "a field missing": GOOD.replace("ttl_static = 300\n", ""),
    "a record that cannot be read": GOOD.replace('"10 geo.odd.example."', '"ten geo"'),
    "no name servers": GOOD.replace("[[nameservers]]\nname", "[[records]]\nname"),
    "aliases in a circle": GOOD.replace('["geo.odd.example."]', '["far.odd.example."]'),
    "an alias to nowhere": GOOD.replace('["geo.odd.example."]', '["gone.odd.example."]'),
    "a time to live beyond RFC 2181": GOOD.replace("ttl_static = 300", "ttl_static = 4294967295"),
    "a fence around nobody": GOOD.replace("[hosts.geo]", '[hosts.geo]\nfence = "nowhere"'),
    "the origin of another zone": GOOD.replace('"odd.example."', '"meridian.example."'),
    "a zone without a key": GOOD.replace('"odd.example."', '"keyless.example."'),
}

for label, text in BAD_FILES.items():

    def bad_file(world: World, label: str = label, text: str = text) -> None:
        server = start(world)
        # A text of its own, so that an error still to come from the case before is not taken for
        # this one's.
        good = f"before {label}"
        replace(odd_file(world), odd_text(good))
        server.hang_up()
        wait_for_version(server, good)
        before = len(server.log_text())
        replace(odd_file(world), text)
        server.hang_up()

        def said() -> str:
            return server.log_text()[before:]

        wait_until(lambda: "ERROR" in said(), NOTICED_SECONDS, "an error in the log")
        expect_equal([f'"{good}"'], version_of(server), "the text from before")
        expect(ask(server.address, plain(API)).answers("A"), "the other zone as before", "nothing")
        reason = next(line for line in said().splitlines() if "ERROR" in line)
        named = "odd" in reason or "keyless" in reason or "meridian.example" in reason
        expect(named and len(reason) > 60, "a reason that names the file or the zone", reason)
        # `check` says the same, before anything is put into use.
        checked = world.check(odd_file(world).parent, "--dnssec-keys", str(world.keys))
        expect(checked.returncode not in (0, 101), "check refuses it, too", checked)
        expect(checked.stderr.strip(), "check says why", checked)

    suite.add(f"refused while the old answers stay: {label}", "crate README", bad_file)


@suite.case("a zone that goes is refused, and answered when it is back", "crate README")
def zone_goes(world: World) -> None:
    server = start(world)
    file = odd_file(world)
    replace(file, odd_text("back"))
    kept = file.read_text()
    file.unlink()
    server.hang_up()

    def rcode() -> str:
        return ask(server.address, plain(VERSION, "TXT")).rcode

    wait_until(lambda: rcode() == "REFUSED", NOTICED_SECONDS, "REFUSED for the zone that is gone")
    expect(ask(server.address, plain(MERIDIAN, "SOA")).rcode == "NOERROR", "the other one", "gone")
    replace(file, kept)
    server.hang_up()
    wait_for_version(server, "back")


@suite.case("the product's own zone is checked and found good", "crate README")
def own_zone(world: World) -> None:
    checked = world.check(MERIDIAN_ZONE)
    expect(checked.returncode == 0, "check ends with 0", checked)
