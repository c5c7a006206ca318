"""One request to a server that may do anything."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

import pytest

from bench.harness.processes import free_ports
from doubles.canned import canned
from doubles.certificates import Authority
from doubles.sink import Behavior, answer, close, drip, flood, hang, sink, status
from nodnod_agent.notify.http_request import MAX_ANSWER, Answer, Trust, request
from nodnod_agent.notify.outgoing import Deadline, SendError
from nodnod_agent.notify.urls import Endpoint, parse_channel

SHORT = 0.3
"""Seconds, where the other side never comes to an end."""


async def post(address: str, seconds: float = 60.0, scheme: str = "http") -> Answer:
    (endpoint,) = parse_channel(f"webhook+{scheme}://me:pw@{address}/hook?a=1").endpoints
    return await ask(endpoint, seconds)


async def ask(endpoint: Endpoint, seconds: float = 60.0) -> Answer:
    return await asyncio.to_thread(request, endpoint, "POST", b"{}", Trust(), Deadline(seconds))


async def why(address: str, seconds: float = 60.0, scheme: str = "http") -> str:
    with pytest.raises(SendError) as caught:
        await post(address, seconds, scheme)
    return str(caught.value)


async def why_of(behavior: Behavior, seconds: float = 60.0) -> str:
    async with sink(behavior) as server:
        return await why(server.address, seconds)


async def test_a_request_has_what_servers_need() -> None:
    async with sink() as server:
        found = await post(server.address)
        request = await server.next()

    assert found == Answer(200, None, "")
    assert (request.method, request.path, request.body) == ("POST", "/hook?a=1", b"{}")
    headers = request.headers
    assert headers["Host"] == server.address
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Basic bWU6cHc="
    assert headers["Connection"] == "close"
    assert headers["User-Agent"].startswith("nodnod/")
    assert headers.get_all("Content-Length") == ["2"]


async def test_the_clock_of_the_server_is_told() -> None:
    async with sink(status(204, "Date: Mon, 30 Nov 2026 16:47:42 GMT")) as server:
        assert await post(server.address) == Answer(204, 1796057262.0, "")
        server.behavior = status(204, "Date: tomorrow")
        assert (await post(server.address)).time is None


async def test_the_beginning_of_an_error_is_read() -> None:
    async with sink(status(500, body=b"broken " * 10_000)) as server:
        found = await post(server.address)
    assert (found.ok, found.words, len(found.text)) == (False, "HTTP 500", 4096)


async def test_an_error_whose_text_never_ends_is_still_an_error() -> None:
    head = b"HTTP/1.1 503 X\r\n\r\n"
    async with sink(drip(head)) as server:
        assert (await post(server.address, SHORT)).words == "HTTP 503"


async def test_a_redirect_is_not_followed() -> None:
    async with sink() as target:
        async with sink(status(302, f"Location: http://{target.address}/")) as server:
            found = await post(server.address)
        assert target.is_empty
    assert (found.ok, found.words) == (False, "HTTP 302, a redirect, which is not followed")


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    async with sink() as server:
        assert (await post(server.address)).ok


@pytest.mark.parametrize(
    ("behavior", "says"),
    [
        (close, "closed without an answer"),
        (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer is not HTTP"),
        (answer(b"HTTP/1.1 \xff\r\n\r\n"), "the answer is not HTTP"),
        (answer(b"\0" * 10), "the answer is not HTTP"),
        (answer(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200), "the answer is not HTTP"),
        (flood(b"HTTP/1.1 100 Continue\r\n\r\n"), "the answer has more than 64 KiB"),
        (flood(b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * MAX_ANSWER), "the answer"),
    ],
)
async def test_what_is_no_answer_is_told_in_words(behavior: Behavior, says: str) -> None:
    assert (await why_of(behavior)).startswith(says)


@pytest.mark.parametrize("behavior", [hang, drip(b"HTTP/1.1 200 OK\r\na: "), drip(b"HTTP")])
async def test_a_server_that_never_comes_to_an_end_is_left_at_the_deadline(
    behavior: Behavior,
) -> None:
    async with sink(behavior) as server:
        assert await why(server.address, SHORT) == "no answer within 0.3 s"
        await server.ended.wait()


async def test_a_server_that_accepts_nothing_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        # The queue of the listener is full, so that no more connections open.
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        assert await why(f"127.0.0.1:{port}", SHORT) == "no answer within 0.3 s"
        for one in crowd:
            one.close()


async def test_a_port_that_nobody_listens_on_is_told() -> None:
    (port,) = free_ports(1)
    assert await why(f"127.0.0.1:{port}") == "connection refused"


async def test_a_name_that_nobody_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert await why("nowhere") == "its name is not found: name or service not known"


async def test_a_name_that_cannot_be_one_is_told() -> None:
    assert await why(f"{'a' * 70}.example") == "its name cannot be looked up"


async def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    (dead,) = free_ports(1)
    async with sink() as server:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
            for port in (dead, server.port)
        ]
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            assert (await post("two-addresses")).ok


# TLS


def context(authority: Authority, *hosts: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("sink", *hosts))
    return context


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
    return authority


async def test_a_server_with_a_certificate_of_a_trusted_authority_is_told(
    trusted: Authority,
) -> None:
    async with sink(tls=context(trusted)) as server:
        assert (await post(f"localhost:{server.port}", scheme="https")).ok
        assert (await server.next()).headers["Host"] == f"localhost:{server.port}"


async def test_a_server_that_is_not_trusted_gets_nothing(authority: Authority) -> None:
    async with sink(tls=context(authority)) as server:
        found = await why(server.address, scheme="https")
        assert server.is_empty
    assert found == "its certificate is not accepted: unable to get local issuer certificate"


async def test_a_server_of_another_name_gets_nothing(trusted: Authority) -> None:
    async with sink(tls=context(trusted, "other.example")) as server:
        found = await why(server.address, scheme="https")
        assert server.is_empty
    assert found.startswith("its certificate is not accepted: IP address mismatch")


async def test_a_server_without_tls_is_told() -> None:
    async with canned(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert await why(address, scheme="https") == "it does not speak TLS"


async def test_a_handshake_that_hangs_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert await why(address, SHORT, "https") == "no answer within 0.3 s"


def test_authorities_are_read_anew_when_told(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", os.fspath(tmp_path / "none"))
    trust = Trust()
    before = trust()
    assert trust() is before
    bundle.write_bytes(Path(authority.ca).read_bytes())

    trust.renew()

    assert not before.get_ca_certs()
    assert trust().get_ca_certs()
