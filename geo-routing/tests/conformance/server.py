"""Starts the server under test, with files of its own, and makes sure that it ends."""

from __future__ import annotations

import ctypes
import json
import re
import secrets
import signal
import socket
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any, Callable

import asking
from report import NotStarted, expect, present

HERE = Path(__file__).resolve().parent
CRATE = HERE.parent.parent
REGIONS = CRATE.parent / "regions"
MERIDIAN_ZONE = CRATE / "zones" / "meridian.toml"
ODD_ZONE = HERE / "zones" / "odd.toml"

MERIDIAN = "meridian.example."
ODD = "odd.example."
API = "api.meridian.example."
EU = "eu.meridian.example."

# Who the server says it is (RFC 5001).
NSID = "conformance-1"
# Networks that the embedded table puts where a region is near, as the crate's README has it.
BERLIN, SINGAPORE, DUBLIN = "53.128.0.0/24", "18.141.0.0/24", "86.40.0.0/24"
COLUMBUS = "29.128.0.0/24"
NEAREST = {
    BERLIN: "eu-central", SINGAPORE: "ap-southeast", DUBLIN: "eu-west", COLUMBUS: "us-east",
}

# Debug builds unpack the address table slowly, and other work may run beside.
START_SECONDS = 60.0
STOP_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Runs in a child before it becomes the program: nothing outlives the runner."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass  # Not Linux; the runner still ends its children on the ways out that it sees.


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free for both UDP and TCP."""
    held: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < count:
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [stream, datagram]
        stream.bind(("127.0.0.1", 0))
        try:
            datagram.bind(stream.getsockname())
        except OSError:
            continue
        ports.append(stream.getsockname()[1])
    for channel in held:
        channel.close()
    return ports


class Server:
    """A running server."""

    def __init__(self, binary: Path, log: Path, listen: str, arguments: list[str],
                 prefix: tuple[str, ...] = ()) -> None:
        self.log = log
        host, port = listen.rsplit(":", 1)
        self.address = (host, int(port))
        command = [*prefix, str(binary), "serve", "--listen", listen, "--no-probes", *arguments]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )

    def wait_ready(self, zone: str) -> None:
        """Waits until a question is answered."""
        question = asking.plain(zone, "SOA").wire()

        def answers() -> bool:
            if self.process.poll() is not None:
                said = f"it ended and said:\n{self.log_text()[-2000:]}"
                raise NotStarted("a server that runs", said)
            try:
                return asking.udp(self.address, question, 0.5) is not None
            except ConnectionRefusedError:
                return False

        asking.wait_until(answers, START_SECONDS, "an answer from the server just started")

    def log_text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def hang_up(self) -> None:
        """Asks for its files to be read again."""
        self.process.send_signal(signal.SIGHUP)

    def resident_kib(self) -> int:
        """Memory in use, so that a run can show that nothing piles up."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = present(re.search(r"VmRSS:\s+(\d+)", status), "a line of VmRSS", status)
        return int(found.group(1))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def zone_text(path: Path, signed: bool = False) -> str:
    """A zone file's text, filled in; `signed` puts the line that asks for DNSSEC on top."""
    text = path.read_text().replace("@FILL200@", "meridian" * 25)
    return ("signed = true\n" if signed else "") + text


def regions() -> dict[str, dict]:
    """The region files by name."""
    files = sorted(REGIONS.glob("*.json"))
    return {it["name"]: it for it in (json.loads(path.read_text()) for path in files)}


def addresses(region: str, rtype: str) -> list[str]:
    """What a region is answered with, as dnspython writes it, sorted."""
    return sorted(regions()[region]["endpoints"]["ipv4" if rtype == "A" else "ipv6"])


class World:
    """What the cases share: the binary, a place for files, and servers started when first asked."""

    def __init__(self, binary: Path, scratch: Path) -> None:
        self.binary = binary
        self.scratch = scratch
        self.figures: dict[str, object] = {}
        self.running: list[Server] = []
        self.shared: dict[str, Any] = {}
        self.cookie_secret = secrets.token_hex(16)

    def path(self, name: str, text: str | None = None) -> Path:
        """A file or directory of this run."""
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
        return path

    def start(self, name: str, zones: Path, *arguments: str, listen: str = "",
              prefix: tuple[str, ...] = (), wait_for: str = MERIDIAN) -> Server:
        """Starts a server and waits for it; `wait_for` is a zone it answers for."""
        listen = listen or f"127.0.0.1:{free_ports(1)[0]}"
        state = self.path(f"{name}/state")
        state.mkdir(parents=True, exist_ok=True)
        arguments = ("--zones", str(zones), "--state-dir", str(state), *arguments)
        server = Server(self.binary, self.path(f"{name}.log"), listen, list(arguments), prefix)
        self.running.append(server)
        if not prefix:
            server.wait_ready(wait_for)
        return server

    def once(self, name: str, start: Callable[[], Any]) -> Any:
        """Something that many cases share: a server, or what has one."""
        if name not in self.shared:
            self.shared[name] = start()
        return self.shared[name]

    def stop_all(self) -> None:
        for server in self.running:
            server.stop()

    def zones(self, name: str, signed: bool = False) -> Path:
        """A directory with the product's zone and the odd one."""
        self.path(f"{name}/zones/meridian.toml", zone_text(MERIDIAN_ZONE, signed))
        self.path(f"{name}/zones/odd.toml", zone_text(ODD_ZONE, signed))
        return self.path(f"{name}/zones")

    @property
    def plain(self) -> Server:
        """Unsigned, with cookies and a name of its own."""
        return self.once(
            "plain", lambda: self.start("plain", self.zones("plain"), *self.manners())
        )

    def manners(self) -> tuple[str, ...]:
        secret = self.path("cookie-secret", self.cookie_secret + "\n")
        secret.chmod(0o600)
        return ("--cookie-secret", str(secret), "--nsid", NSID)

    def check(self, zones: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Has the program check files without serving them."""
        command = [str(self.binary), "check", "--zones", str(zones), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)

    @cached_property
    def keys(self) -> Path:
        """A directory with keys of both zones; what was printed lies beside each."""
        directory = self.path("keys")
        directory.mkdir(exist_ok=True)
        for zone in (MERIDIAN, ODD):
            command = [str(self.binary), "keygen", "--zone", zone, "--dir", str(directory)]
            made = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
            expect(made.returncode == 0, f"keygen for {zone} ends with 0", made.stderr)
            self.path(f"printed/{zone}records", made.stdout)
        return directory

    def key_records(self, zone: str) -> list[str]:
        """The DS and DNSKEY lines that keygen printed."""
        assert self.keys.is_dir()
        lines = self.path(f"printed/{zone}records").read_text().splitlines()
        return [line for line in lines if line.strip() and not line.startswith(";")]

    @property
    def signed(self) -> Server:
        """The same zones, signed."""

        def start() -> Server:
            zones = self.zones("signed", signed=True)
            keys = ("--dnssec-keys", str(self.keys))
            return self.start("signed", zones, *keys, *self.manners())

        return self.once("signed", start)

