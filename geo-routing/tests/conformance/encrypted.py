"""DNS over TLS (RFC 7858) and over HTTPS (RFC 8484), asked with kdig, openssl, curl and Python."""

from __future__ import annotations

import base64
import shutil
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import packet
import tools
from asking import Answer, Stream, ask, check_always, plain, spoken, wait_until
from cookies import CLIENT, is_ours
from ecs import of_network
from packet import Question, option
from report import Failed, Suite, expect, expect_equal, present
from server import API, BERLIN, MERIDIAN, NEAREST, ODD, Server, World, addresses, free_ports
from streams import questions, receive_all

suite = Suite("encrypted")

NAME = "ns1.meridian.example"
# Answers are filled up to a multiple of this where padding is asked for (RFC 8467, 4.1).
BLOCK = 468
DNS_MESSAGE = "application/dns-message"
# Below TLS 1.2 nobody may go (RFC 8996).
OLD_VERSIONS = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}


@dataclass
class Encrypted:
    """A server with a certificate of this run's own."""

    server: Server
    certificate: str
    tls_port: int
    https_port: int

    def context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.certificate)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def stream(self, *protocols: str, context: ssl.SSLContext | None = None) -> Stream:
        context = context or self.context(*(protocols or ("dot",)))
        wrap = partial(context.wrap_socket, server_hostname=NAME)
        return Stream(("127.0.0.1", self.tls_port), wrap)


def start(world: World) -> Encrypted:
    """The one that all cases share."""
    return world.once("encrypted", lambda: make(world))


def make(world: World) -> Encrypted:
    certificate, key = files(world)
    made = tools.run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext",
        f"subjectAltName=DNS:{NAME},IP:127.0.0.1", "-keyout", key, "-out", certificate)
    expect(made.returncode == 0, "a certificate from openssl", made.stderr)
    tls_port, https_port = free_ports(2)
    server = world.start(
        "encrypted", world.zones("encrypted"), *world.manners(),
        "--tls-listen", f"127.0.0.1:{tls_port}", "--https-listen", f"127.0.0.1:{https_port}",
        "--tls-cert", str(certificate), "--tls-key", str(key))
    return Encrypted(server, str(certificate), tls_port, https_port)


def files(world: World) -> tuple[Path, Path]:
    """The certificate and its key."""
    return world.path("tls/certificate.pem"), world.path("tls/key.pem")


def over_tls(encrypted: Encrypted, question: Question) -> Answer:
    with encrypted.stream() as stream:
        stream.send(question.wire())
        answer = stream.answer()
    check_always(answer, question, "tls")
    return answer


@suite.case("DoT says what UDP says", "RFC 7858, 3.3", ["openssl"])
def dot_as_udp(world: World) -> None:
    encrypted = start(world)
    for name, rtype in [(API, "A"), (API, "AAAA"), (API, "HTTPS"), (MERIDIAN, "SOA"),
                        ("nobody.meridian.example.", "A"), ("example.org.", "A"), (API, "ANY")]:
        for text in NEAREST:
            asked = spoken(name, rtype, of_network(text))
            clear = ask(encrypted.server.address, asked)
            told = over_tls(encrypted, asked)
            expect_equal(clear.wire.hex(), told.wire.hex(), f"{name} {rtype} over TLS:")


@suite.case("DoT speaks ALPN dot, and does without", "RFC 7858, 3.1; RFC 7301, 3.2", ["openssl"])
def alpn(world: World) -> None:
    encrypted = start(world)
    with encrypted.stream("dot") as stream:
        expect_equal("dot", stream.channel.selected_alpn_protocol(), "the protocol chosen")
    with encrypted.stream(context=encrypted.context()) as stream:
        stream.send(plain(API).wire())
        expect(stream.receive() is not None, "an answer without ALPN", "a closed connection")
    host = f"127.0.0.1:{encrypted.tls_port}"
    told = tools.run("openssl", "s_client", "-connect", host, "-alpn", "dot", "-CAfile",
                     encrypted.certificate, "-verify_return_error", "-servername", NAME)
    said = told.stdout + told.stderr
    expect("ALPN protocol: dot" in said, "openssl: ALPN protocol: dot", said[-1500:])
    expect("Verify return code: 0 (ok)" in said, "openssl: certificate verified", said[-1500:])


@suite.case("TLS 1.2 and 1.3 and nothing older", "RFC 8310, 9; RFC 8996", ["openssl"])
def versions(world: World) -> None:
    encrypted = start(world)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = encrypted.context("dot")
        context.minimum_version = context.maximum_version = version
        with encrypted.stream(context=context) as stream:
            stream.send(plain(API).wire())
            expect(stream.receive() is not None, f"an answer over {version.name}", "none")
    for label, version in OLD_VERSIONS.items():
        context = encrypted.context("dot")
        # The client must be willing, or its own refusal would be taken for the server's.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            with encrypted.stream(context=context) as stream:
                raise Failed(f"no handshake in {label}", stream.channel.version())
        except (ssl.SSLError, ConnectionError):
            pass


@suite.case("many questions on one TLS connection, one by one and all at once", "RFC 7858, 3.3",
            ["openssl"])
def many(world: World) -> None:
    asked = questions(60)
    with start(world).stream() as stream:
        for ident, question in list(asked.items())[:10]:
            stream.send(question.wire())
            receive_all(stream, {ident: question})
        stream.send(*(question.wire() for question in asked.values()))
        receive_all(stream, asked)


def strict(encrypted: Encrypted) -> Stream:
    """A session in which an end without a notice is an error, as it could be an attacker's cut."""
    context = encrypted.context("dot")
    # Python would overlook it otherwise.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    wrap = partial(context.wrap_socket, server_hostname=NAME, suppress_ragged_eofs=False)
    return Stream(("127.0.0.1", encrypted.tls_port), wrap)


@suite.case("the server answers the end of a TLS session with its own", "RFC 8446, 6.1",
            ["openssl"])
def closes(world: World) -> None:
    with strict(start(world)) as stream:
        stream.send(plain(API).wire())
        stream.answer()
        try:
            # Sends our notice and waits for the server's.
            stream.channel.unwrap()
        except OSError as error:
            expect(False, "close_notify before the connection is closed", error)


@suite.case("the server ends an idle TLS session with a notice", "RFC 8446, 6.1; RFC 7858, 3.4",
            ["openssl"], is_slow=True)
def closes_idle(world: World) -> None:
    with strict(start(world)) as stream:
        stream.send(plain(API).wire())
        stream.answer()
        stream.channel.settimeout(60.0)
        try:
            expect(stream.channel.recv(1) == b"", "an end", "more")
        except OSError as error:
            expect(False, "close_notify before the connection is closed", error)


@suite.case("DoT answers are padded when asked, and only then", "RFC 7830, 4; RFC 8467, 4.1",
            ["openssl"])
def padded(world: World) -> None:
    encrypted = start(world)
    for name, rtype in [(API, "A"), (MERIDIAN, "NS"), ("nobody.meridian.example.", "A"),
                        (f"large.{ODD}", "TXT"), ("example.org.", "A")]:
        for length in (0, 1, 60):
            asked = spoken(name, rtype, option(packet.PADDING, bytes(length)))
            answer = over_tls(encrypted, asked)
            padding = present(answer.option(packet.PADDING), "the Padding option", answer)
            size = len(answer.wire)
            expect(size % BLOCK == 0, f"a multiple of {BLOCK} bytes", f"{size} bytes")
            expect(not any(padding), "zeros (RFC 7830, 3)", padding.hex())
        expect(over_tls(encrypted, spoken(name, rtype)).option(packet.PADDING) is None,
               "no padding unasked", "padding")
        expect(over_tls(encrypted, plain(name, rtype)).opt is None, "no EDNS unasked", "an OPT")


@suite.case("cookies and keepalive work inside TLS", "RFC 7873, 5.2; RFC 7828, 3.3.2", ["openssl"])
def options(world: World) -> None:
    asked = spoken(API, "A", option(packet.COOKIE, CLIENT), option(packet.KEEPALIVE))
    answer = over_tls(start(world), asked)
    is_ours(world, answer.option(packet.COOKIE) or b"")
    told = answer.option(packet.KEEPALIVE)
    expect(told is not None and len(told) == 2, "a time-out of two bytes", answer)


@suite.case("plain text on the TLS port harms nobody", "RFC 7858, 3.1", ["openssl"])
def plain_text(world: World) -> None:
    encrypted = start(world)
    with Stream(("127.0.0.1", encrypted.tls_port), seconds=10.0) as stream:
        stream.send(plain(API).wire())
        try:
            data = stream.channel.recv(65535)
        except ConnectionError:
            data = b""
        expect(API.split(".")[1].encode() not in data, "no DNS in the clear", data.hex())
    over_tls(encrypted, plain(API))


@suite.case("kdig asks over TLS and checks the certificate", "RFC 7858; RFC 8310, 8",
            ["kdig", "openssl"])
def kdig_tls(world: World) -> None:
    encrypted = start(world)
    for rtype in ("A", "AAAA", "HTTPS"):
        told = tools.run("kdig", "@127.0.0.1", "-p", str(encrypted.tls_port),
                         f"+tls-ca={encrypted.certificate}", f"+tls-hostname={NAME}", "+padding",
                         f"+subnet={BERLIN}", API, rtype)
        said = told.stdout + told.stderr
        good = "status: NOERROR" in said and "TLS session" in said and "PADDING:" in said
        expect(good, "kdig: a TLS session, NOERROR and padding", said)


@dataclass(frozen=True)
class Reply:
    """What curl got."""

    status: int
    version: str
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"HTTP/{self.version} {self.status} {self.headers} {self.body[:200]!r}"


def curl(world: World, target: str, *arguments: str, post: bytes | None = None) -> Reply:
    encrypted = start(world)
    body, head = world.path("curl/body"), world.path("curl/head")
    body.unlink(missing_ok=True)
    if post is not None:
        file = world.path("curl/post")
        file.write_bytes(post)
        arguments += ("--data-binary", f"@{file}")
    told = tools.run(
        "curl", "--silent", "--show-error", "--max-time", "20", "--cacert", encrypted.certificate,
        "--noproxy", "*", "--resolve", f"{NAME}:{encrypted.https_port}:127.0.0.1", "--output",
        body, "--dump-header", head, "--write-out", "%{http_code} %{http_version}", *arguments,
        f"https://{NAME}:{encrypted.https_port}{target}")
    expect(told.returncode == 0, "curl ends with 0", told.stderr)
    status, version = told.stdout.split()
    lines = (line.split(":", 1) for line in head.read_text().splitlines() if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in lines}
    return Reply(int(status), version, headers, body.read_bytes() if body.exists() else b"")


def encoded(wire: bytes) -> str:
    return base64.urlsafe_b64encode(wire).rstrip(b"=").decode()


def by_get(world: World, wire: bytes, *arguments: str) -> Reply:
    return curl(world, f"/dns-query?dns={encoded(wire)}", "--http2", *arguments)


def by_post(world: World, wire: bytes, *arguments: str, kind: str = DNS_MESSAGE) -> Reply:
    return curl(world, "/dns-query", "--http2", "--header", f"Content-Type: {kind}", *arguments,
                post=wire)


def refused_post(world: World, wire: bytes, *arguments: str, kind: str = DNS_MESSAGE) -> Reply:
    """POSTs what is refused, over HTTP/1.1.

    Over HTTP/2 a server that has answered in full may reset the rest of the request without an
    error (RFC 9113, 8.1), and curl before 8.0 then loses the answer that it already has.
    """
    return by_post(world, wire, "--http1.1", *arguments, kind=kind)


def message(reply: Reply) -> Answer:
    expect(reply.status == 200, "200", reply)
    expect_equal(DNS_MESSAGE, reply.headers.get("content-type"), "the content type")
    return Answer(reply.body)


@suite.case("DoH says what UDP says, by GET and by POST, over HTTP/2", "RFC 8484, 4.1 and 5.2",
            ["curl", "openssl"])
def doh_as_udp(world: World) -> None:
    address = start(world).server.address
    for name, rtype in [(API, "A"), (API, "HTTPS"), ("nobody.meridian.example.", "A"),
                        ("example.org.", "A"), (MERIDIAN, "SOA")]:
        # Id 0, so that HTTP caches see one question (RFC 8484, 4.1).
        asked = Question(name, rtype, ident=0).with_options(of_network(BERLIN))
        clear = ask(address, asked)
        for reply in (by_get(world, asked.wire()), by_post(world, asked.wire())):
            expect_equal("2", reply.version, "HTTP version")
            expect_equal(clear.wire.hex(), message(reply).wire.hex(), f"{name} {rtype}:")


@suite.case("DoH works over HTTP/1.1, too", "RFC 8484, 5.2", ["curl", "openssl"])
def doh_http_1(world: World) -> None:
    for reply in (by_get(world, plain(API).wire(), "--http1.1"),
                  by_post(world, plain(API).wire(), "--http1.1")):
        expect_equal("1.1", reply.version, "HTTP version")
        expect(message(reply).answers("A"), "the addresses", reply)


@suite.case("DoH answers keep no longer than their records", "RFC 8484, 5.1", ["curl", "openssl"])
def doh_freshness(world: World) -> None:
    for name, rtype, most in [
        (API, "A", 30), ("us-east.api.meridian.example.", "A", 3600), (MERIDIAN, "SOA", 3600),
        ("www.meridian.example.", "A", 30), (f"version.{ODD}", "TXT", 5),
        ("nobody.meridian.example.", "A", 60), (API, "TXT", 60), (f"b.{ODD}", "A", 90),
        ("example.org.", "A", 0),
    ]:
        reply = by_get(world, plain(name, rtype).wire())
        message(reply)
        pairs = (it.strip().partition("=") for it in reply.headers["cache-control"].split(","))
        directives = {name.lower(): value for name, _, value in pairs}
        if "no-store" in directives or "no-cache" in directives:
            continue
        age = int(directives.get("max-age", -1))
        expect(0 <= age <= most, f"{name} {rtype}: a max-age of at most {most}", reply)


@suite.case("a shared HTTP cache does not hand on what is for one place", "RFC 8484, 5.1 and 8.1; "
            "RFC 9111, 5.2.2.7", ["curl", "openssl"])
def doh_private(world: World) -> None:
    reply = by_get(world, plain(API).wire())
    directives = reply.headers["cache-control"].lower()
    expect("private" in directives or "no-store" in directives, "private or no-store", reply)


@suite.case("a DoH answer is not cut at what EDNS offers", "RFC 8484, 6", ["curl", "openssl"])
def doh_size(world: World) -> None:
    asked = spoken(f"large.{ODD}", "TXT", payload=512)
    answer = message(by_post(world, asked.wire()))
    expect(not answer.has(packet.TC) and len(answer.answers("TXT")) == 9, "nine records", answer)


@suite.case("DoH answers are padded when asked", "RFC 8467, 4.1", ["curl", "openssl"])
def doh_padding(world: World) -> None:
    asked = spoken(API, "A", option(packet.PADDING, bytes(30)))
    for reply in (by_get(world, asked.wire()), by_post(world, asked.wire())):
        size = len(message(reply).wire)
        expect(size % BLOCK == 0, f"a multiple of {BLOCK} bytes", f"{size} bytes")


@suite.case("the media type is compared as HTTP compares it", "RFC 9110, 8.3.1; RFC 8484, 6",
            ["curl", "openssl"])
def doh_media_type(world: World) -> None:
    message(by_post(world, plain(API).wire(), kind="Application/DNS-Message"))


for label, wanted, source, request in [
    ("another content type", 415, "RFC 8484, 4.1; RFC 9110, 15.5.16",
     lambda world: refused_post(world, plain(API).wire(), kind="application/octet-stream")),
    ("JSON", 415, "RFC 8484, 4.1",
     lambda world: refused_post(world, b'{"name":"api"}', kind="application/json")),
    ("no dns parameter", 400, "RFC 8484, 4.1",
     lambda world: curl(world, "/dns-query", "--http2")),
    ("another parameter", 400, "RFC 8484, 4.1",
     lambda world: curl(world, "/dns-query?name=api.meridian.example", "--http2")),
    ("a parameter that is no base64url", 400, "RFC 8484, 6",
     lambda world: curl(world, "/dns-query?dns=%21%21%21", "--http2")),
    ("an empty parameter", 400, "RFC 8484, 4.1",
     lambda world: curl(world, "/dns-query?dns=", "--http2")),
    ("less than a header", 400, "RFC 8484, 4.2.1",
     lambda world: refused_post(world, b"\0\0\1\0\0\1")),
    ("an empty body", 400, "RFC 8484, 4.2.1", lambda world: refused_post(world, b"")),
    ("an answer instead of a question", 400, "RFC 8484, 4.2.1",
     lambda world: refused_post(world, Question(API, "A", flags=packet.QR).wire())),
    ("more than a message can have", 413, "RFC 9110, 15.5.14",
     lambda world: refused_post(world, bytes(70_000))),
    ("another path", 404, "RFC 8484, 3", lambda world: curl(world, "/", "--http2")),
    ("PUT", 405, "RFC 8484, 4.1; RFC 9110, 15.5.6",
     lambda world: refused_post(world, plain(API).wire(), "--request", "PUT")),
    ("DELETE", 405, "RFC 8484, 4.1; RFC 9110, 15.5.6",
     lambda world: curl(world, "/dns-query", "--http2", "--request", "DELETE")),
]:

    def refused(world: World, wanted: int = wanted, request=request) -> None:
        reply = request(world)
        expect(reply.status == wanted, str(wanted), reply)
        if wanted == 405:
            expect("allow" in reply.headers, "an Allow header (RFC 9110, 15.5.6)", reply)

    suite.add(f"DoH refuses {label} with {wanted}", source, refused, ["curl", "openssl"])


@suite.case("a broken question over DoH is 200 with FORMERR inside", "RFC 8484, 4.2.1",
            ["curl", "openssl"])
def doh_formerr(world: World) -> None:
    answer = message(by_post(world, plain(API).wire() + b"garbage"))
    expect(answer.rcode == "FORMERR", "FORMERR", answer)


@suite.case("kdig asks over HTTPS, by GET and by POST", "RFC 8484, 4.1", ["kdig", "openssl"])
def kdig_https(world: World) -> None:
    encrypted = start(world)
    for method in ("+nohttps-get", "+https-get"):
        told = tools.run("kdig", "@127.0.0.1", "-p", str(encrypted.https_port),
                         "+https=/dns-query", method, f"+tls-ca={encrypted.certificate}",
                         f"+tls-hostname={NAME}", f"+subnet={BERLIN}", API, "A")
        said = told.stdout + told.stderr
        wanted = addresses(NEAREST[BERLIN], "A")[0]
        good = "status: NOERROR" in said and wanted in said and "HTTP session" in said
        expect(good, f"kdig {method}: an HTTP session, NOERROR and {wanted}", said)


@suite.case("a new certificate is taken into use, a bad one is not", "crate README", ["openssl"])
def new_certificate(world: World) -> None:
    encrypted = start(world)
    certificate, _ = files(world)
    kept = shutil.copy(certificate, f"{certificate}.kept")
    certificate.write_text("no certificate\n")
    encrypted.server.hang_up()
    wait_until(lambda: certificate.name in encrypted.server.log_text(), 10.0,
               f"a line of the log that names {certificate.name}")
    with encrypted.stream(context=ssl.create_default_context(cafile=kept)) as stream:
        stream.send(plain(API).wire())
        expect(stream.receive() is not None, "an answer under the certificate before", "none")
    shutil.copy(kept, certificate)
    encrypted.server.hang_up()
    over_tls(encrypted, plain(API))
