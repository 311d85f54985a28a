"""Checkers of whole zones: dnsviz and zonemaster, in a network that is not connected to any other.

Both ask name servers at port 53 of the addresses that the zone says they have, and both look for
the parent zone at the root. So they run, with a server, in a network namespace where the zone's
addresses are on the loopback device and where there is nothing else.

ldns-verify-zone and dnssec-verify are not among them: they want a whole zone with its chain of NSEC
records, and a server that makes each proof when it is asked (RFC 4470) has no chain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import tools
from packet import Edns, Question
from report import Suite, expect
from server import API, EU, MERIDIAN, Server, World, die_with_parent

suite = Suite("checkers")

# As zones/meridian.toml has them.
SERVERS = {
    "ns1.meridian.example": ("192.0.2.53", "2001:db8:e0c1::53"),
    "ns2.meridian.example": ("198.51.100.53", "2001:db8:5e1::53"),
}
NAMESPACE_SECONDS = 600
READY_SECONDS = 60.0
ZONEMASTER_SECONDS = 180.0
NEEDS = ["unshare", "ip"]

# What zonemaster says of every zone that lives on documentation addresses below a parent that is
# not there, and of intervals that are as they are meant to be. Everything else is a finding.
EXPECTED = {
    "ADDRESS01": "the addresses are of RFC 5737 and RFC 3849, as of every example",
    "ADDRESS02": "nobody serves the reverse zones here",
    "ADDRESS03": "nobody serves the reverse zones here",
    "CONNECTIVITY03": "who announces an address cannot be looked up here",
    "CONNECTIVITY04": "who announces an address cannot be looked up here",
    "SYNTAX06": "nobody reads mail at example names",
    "ZONE02": "refresh is for secondaries by transfer, which are refused",
    "ZONE04": "retry is for secondaries by transfer, which are refused",
    "ZONE06": "60 s of negative caching are meant: names of regions come and go",
    "ZONE09": "no mail is received under this name",
}
EXPECTED_UNSIGNED = {
    "DNSSEC07": "this run is of the zone without signatures",
    "UNSPECIFIED": "this run is of the zone without signatures",
}
SHOWN = {"NOTICE", "WARNING", "ERROR", "CRITICAL"}


class Namespace:
    """A network of its own, kept by a process that does nothing."""

    def __init__(self) -> None:
        # Without root a user namespace gives the right to make one.
        root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        # `echo` says when the namespace is there.
        hold = f"echo ready; exec sleep {NAMESPACE_SECONDS}"
        self.holder = subprocess.Popen(
            ["unshare", "--net", *root, "sh", "-c", hold], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        assert self.holder.stdout is not None
        line = self.holder.stdout.readline()
        expect(line == b"ready\n", "a network namespace", line)
        enter = ["nsenter", "--target", str(self.holder.pid), "--net"]
        self.prefix = (*enter, *(["--user", "--preserve-credentials"] if root else []), "--")
        self.run("ip", "link", "set", "lo", "up")
        for v4, v6 in SERVERS.values():
            self.run("ip", "address", "add", f"{v4}/32", "dev", "lo")
            self.run("ip", "address", "add", f"{v6}/128", "dev", "lo", "nodad")

    def run(self, *command: str | Path, seconds: float = tools.TOOL_SECONDS,
            ) -> subprocess.CompletedProcess[str]:
        told = tools.run(*self.prefix, *command, seconds=seconds)
        expect(told.returncode == 0, f"{command[0]} ends with 0", told.stdout + told.stderr)
        return told

    def stop(self) -> None:
        self.holder.kill()
        self.holder.wait()


def with_server(world: World, name: str, signed: bool, body) -> None:
    """Runs `body` with a namespace in which a server answers at the zone's own addresses."""
    namespace = Namespace()
    try:
        listen = [f"{v4}:53" for v4, _ in SERVERS.values()]
        listen += [f"[{v6}]:53" for _, v6 in SERVERS.values()]
        arguments = [it for more in listen[1:] for it in ("--listen", more)]
        if signed:
            arguments += ["--dnssec-keys", str(world.keys)]
        server = world.start(name, world.zones(name, signed), *arguments, listen=listen[0],
                             prefix=namespace.prefix)
        try:
            wait_inside(namespace, server)
            body(namespace)
        finally:
            server.stop()
    finally:
        namespace.stop()


def wait_inside(namespace: Namespace, server: Server) -> None:
    """Waits until the server answers, with a small program inside the namespace."""
    wire = Question(MERIDIAN, "SOA", edns=Edns()).wire().hex()
    host, port = server.address
    program = (
        "import socket, sys, time\n"
        f"end = time.monotonic() + {READY_SECONDS}\n"
        "while time.monotonic() < end:\n"
        "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:\n"
        "        it.settimeout(0.2)\n"
        "        try:\n"
        f"            it.connect(({host!r}, {port}))\n"
        f"            it.send(bytes.fromhex({wire!r}))\n"
        "            it.recv(4096)\n"
        "            sys.exit(0)\n"
        "        except OSError:\n"
        "            time.sleep(0.1)\n"
        "sys.exit(1)\n"
    )
    told = tools.run(*namespace.prefix, sys.executable, "-c", program, seconds=READY_SECONDS + 10)
    expect(told.returncode == 0, "an answer from the server in the namespace", server.log_text())


def probe(namespace: Namespace, world: World, *names: str) -> Path:
    """Has dnsviz ask everything it wants to know."""
    servers = ",".join(f"{name}={v4},{name}=[{v6}]" for name, (v4, v6) in SERVERS.items())
    file = world.path("dnsviz/probe.json")
    file.parent.mkdir(exist_ok=True)
    namespace.run(tools.program("dnsviz"), "probe", "-A", "-E", "-x", f"{MERIDIAN}+:{servers}",
                  "-o", file, *names, seconds=ZONEMASTER_SECONDS)
    return file


def grok(world: World, file: Path, level: str) -> str:
    lines = [it for it in world.key_records(MERIDIAN) if " DNSKEY " in it]
    trusted = world.path("dnsviz/trusted", "\n".join(lines) + "\n")
    told = tools.run(tools.program("dnsviz"), "grok", "--allow-private", "-l", level, "-t", trusted,
                     "-r", file)
    expect(told.returncode == 0, "dnsviz grok ends with 0", told.stderr)
    return told.stdout


@suite.case("dnsviz finds nothing wrong", "RFC 4035; RFC 6891", [*NEEDS, "dnsviz"], is_slow=True)
def dnsviz(world: World) -> None:
    names = [MERIDIAN, API, EU, "www.meridian.example.", "us-east.api.meridian.example.",
             "nobody.meridian.example."]

    def body(namespace: Namespace) -> None:
        file = probe(namespace, world, *names)
        for level in ("error", "warning"):
            told = grok(world, file, level).strip()
            expect(told in ("", "{}"), f"no output at level {level}", told[:4000])
        # An empty answer would be as silent: it must have seen the zone, and found it secure.
        seen = json.loads(grok(world, file, "info"))
        for name in names[:-1]:
            expect(seen.get(name, {}).get("status") == "NOERROR", f"{name} seen", seen.keys())
        text = json.dumps(seen)
        expect(text.count('"SECURE"') > 10, "sets found SECURE", text.count('"SECURE"'))
        for word in ("BOGUS", "INVALID", "INSECURE"):
            expect(f'"{word}"' not in text, f"nothing {word}", text[:2000])

    with_server(world, "dnsviz", True, body)


def zonemaster(namespace: Namespace, ds: list[str]) -> list[dict]:
    """Zonemaster's messages, all of them."""
    arguments = [f"--ns={name}/{address}" for name, pair in SERVERS.items() for address in pair]
    arguments += [f"--ds={it}" for it in ds]
    told = namespace.run(
        tools.program("zonemaster"), *arguments, "--level", "INFO", "--json", "--raw",
        "--no-progress", "--show-testcase", MERIDIAN.rstrip("."), seconds=ZONEMASTER_SECONDS)
    messages = json.loads(told.stdout)
    return messages["results"] if isinstance(messages, dict) else messages


def judge(messages: list[dict], expected: dict[str, str]) -> None:
    """Every finding is of a test that is expected to find something."""
    findings = [it for it in messages if it["level"] in SHOWN]
    unexpected = [it for it in findings if it["testcase"].upper() not in expected]
    text = "\n".join(f"{it['level']} {it['testcase']} {it['tag']} {it.get('args')}"
                     for it in unexpected)
    expect(not unexpected, "nothing but what is expected of such a zone", text)
    modules = {it["module"].upper() for it in messages}
    wanted = {"NAMESERVER", "DELEGATION", "CONSISTENCY", "ZONE", "BASIC"}
    expect(wanted <= modules, f"messages of all of {sorted(wanted)}", sorted(modules))
    seen = sorted({it["testcase"].upper() for it in findings})
    for testcase in seen:
        print(f"  zonemaster, expected: {testcase}: {expected[testcase]}", flush=True)


@suite.case("zonemaster finds nothing wrong with the zone", "Zonemaster test specifications",
            [*NEEDS, "zonemaster"], is_slow=True)
def zonemaster_unsigned(world: World) -> None:
    expected = EXPECTED | EXPECTED_UNSIGNED
    with_server(world, "zonemaster-unsigned", False, lambda it: judge(zonemaster(it, []), expected))


@suite.case("zonemaster finds nothing wrong with the zone when it is signed",
            "Zonemaster test specifications", [*NEEDS, "zonemaster"], is_slow=True)
def zonemaster_signed(world: World) -> None:
    line = next(it for it in world.key_records(MERIDIAN) if " DS " in it)
    tag, algorithm, digest_type, *digest = line.split(" DS ", 1)[1].split()
    ds = ",".join((tag, algorithm, digest_type, "".join(digest)))

    def body(namespace: Namespace) -> None:
        messages = zonemaster(namespace, [ds])
        judge(messages, EXPECTED)
        signed = [it for it in messages if it["module"].upper() == "DNSSEC"]
        expect(signed, "messages about DNSSEC", "none")

    with_server(world, "zonemaster-signed", True, body)
