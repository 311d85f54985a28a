"""Other people's tools: where they are, which version, and running them within a time."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from report import Failed, Suite, expect, present
from server import World, die_with_parent

suite = Suite("tools")

TOOL_SECONDS = 60.0
# Where scripts/install-dns-tools puts what Debian's package does not have in working order.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meridian"
OWN = CACHE / "dns-tools" / "bin"


@dataclass(frozen=True)
class Tool:
    """A program, how it says its version, and the Debian package it comes in."""

    program: str
    version: tuple[str, ...]
    pattern: str
    package: str


TOOLS = {
    "dig": Tool("dig", ("-v",), r"DiG (\S+)", "bind9-dnsutils"),
    "delv": Tool("delv", ("-v",), r"delv (\S+)", "bind9-dnsutils"),
    "kdig": Tool("kdig", ("-V",), r"version (\S+)", "knot-dnsutils"),
    "drill": Tool("drill", ("-v",), r"drill version (\S+)", "ldnsutils"),
    "unbound-host": Tool("unbound-host", ("-h",), r"Version (\S+)", "unbound-host"),
    "openssl": Tool("openssl", ("version",), r"OpenSSL (\S+)", "openssl"),
    "curl": Tool("curl", ("-V",), r"curl (\S+)", "curl"),
    "unshare": Tool("unshare", ("-V",), r"util-linux (\S+)", "util-linux"),
    "ip": Tool("ip", ("-V",), r"iproute2-([\w.]+)", "iproute2"),
    "dnsviz": Tool("dnsviz", ("-v",), r"(\d+\.[\d.]+)", "dnsviz"),
    "zonemaster": Tool(
        "zonemaster-cli", ("--version",), r"CLI version:\s+v(\S+)", "zonemaster-cli"
    ),
}
# What only the slow cases use.
SLOW = {"dnsviz", "zonemaster", "unshare", "ip"}


def path(name: str) -> str | None:
    """Where a tool is: first where this repository installs, then in the usual places."""
    tool = TOOLS[name].program
    return shutil.which(tool, path=OWN) or shutil.which(tool)


def program(name: str) -> str:
    """A tool to run; the cases that need one are not tried where it is missing."""
    return present(path(name), f"{name}", "it is not there")


@functools.lru_cache(maxsize=None)
def version(name: str) -> str | None:
    """A tool's version, or None where it is not installed or does not run."""
    found_at = path(name)
    if found_at is None:
        return None
    try:
        told = run(found_at, *TOOLS[name].version)
    except Failed:
        return None
    found = re.search(TOOLS[name].pattern, told.stdout + told.stderr)
    return found.group(1) if found else None


def run(*command: str | Path, seconds: float = TOOL_SECONDS, stdin: str = "",
        ) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; one that takes too long has failed."""
    try:
        return subprocess.run(
            [str(it) for it in command], input=stdin, capture_output=True, text=True,
            errors="replace", timeout=seconds, preexec_fn=die_with_parent,
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{command[0]} ends within {seconds} s", late.stdout or "it said nothing")


def add_presence(names: list[str]) -> None:
    """A tool that is not there is a failure: a run without it would prove less than it says."""
    for name in names:

        def is_there(_: World, name: str = name) -> None:
            told = version(name)
            expect(told is not None, f"{TOOLS[name].program} is installed and runs; on Debian: "
                   f"apt-get install {TOOLS[name].package}, or run --without {name}", "it does not")

        suite.add(f"{name} is there", "scripts/install-dns-tools", is_there)
