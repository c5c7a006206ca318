"""Plain HTTP on the agent's own port, over real sockets."""

import asyncio
import signal
import socket
import struct
from collections.abc import Callable

import pytest

from bench.harness.agents import Agent, Agents
from doubles.samples import Scrape
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask
from live.raw import RawClient, upgrade
from live.web import fetch, parse, request

PATHS = ["/", "/stat", "/stat/all", "/members", "/healthz", "/sd", "/metrics", "/metrics/cluster"]
WAITING = "/stat/all?timeout=30"


@pytest.fixture(scope="module")
def cartman(shared_agents: Agents) -> Agent:
    return shared_agents.start("cartman")


@pytest.fixture
async def beside_frozen(agents: Agents) -> Agent:
    """An agent that answers for the cluster when it has waited, as its peer is frozen."""
    stan, kyle = await agents.cluster("stan", "kyle")
    kyle.signal(signal.SIGSTOP)
    return stan


@pytest.mark.parametrize("path", PATHS)
async def test_head_tells_what_get_would_and_sends_no_body(cartman: Agent, path: str) -> None:
    page, head = await fetch(cartman.port, path), await fetch(cartman.port, path, "HEAD")

    assert (page.status, head.status) == (200, 200)
    assert head.body == b""
    assert page.headers["Content-Length"] == str(len(page.body))
    assert head.headers["Content-Type"] == page.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


async def test_all_ways_of_asking_tell_the_same(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    nodes = (await ask(cartman, {"type": 1}))["nodes"]

    page = (await fetch(kenny.port, "/stat/all")).json
    metrics = Scrape((await fetch(kenny.port, "/metrics/cluster")).body)
    own = Scrape((await fetch(kenny.port, "/metrics")).body)

    assert list(page["nodes"]) == ["cartman", "kenny"] == metrics.of("node")
    for name in nodes:
        total = nodes[name]["memoryTotal"]
        assert page["nodes"][name]["memoryTotal"] == total
        assert metrics("nodnod_memory_total_bytes", node=name) == total
        assert metrics("nodnod_up", node=name) == 1
    assert own("nodnod_memory_total_bytes") == nodes["kenny"]["memoryTotal"]
    assert own("nodnod_links", state="up") == 1


async def test_what_an_agent_counts_grows(cartman: Agent) -> None:
    before = Scrape((await fetch(cartman.port, "/metrics")).body)
    async with V1Client(cartman.address) as client:
        for request_ in ({"type": 0}, {"type": 1}, "nonsense"):
            await client.send(request_)
            await client.receive()
        after = Scrape((await fetch(cartman.port, "/metrics")).body)

    def grown(name: str, **labels: str) -> float:
        return (after(name, **labels) or 0) - (before(name, **labels) or 0)

    assert grown("nodnod_requests_total", type="stat") == 1
    assert grown("nodnod_requests_total", type="stat_all") == 1
    assert grown("nodnod_bad_requests_total", code="bad_json") == 1
    assert grown("nodnod_request_duration_seconds_count") == 2
    assert grown("nodnod_clients", kind="client") == 1
    assert grown("nodnod_http_requests_total", page="/metrics", code="200") == 1
    assert grown("nodnod_connections_accepted_total") >= 2
    assert after("nodnod_connections") == 2


async def test_a_client_that_is_cut_is_counted(cartman: Agent) -> None:
    async def cut() -> float:
        page = Scrape((await fetch(cartman.port, "/metrics")).body)
        return page("nodnod_connections_cut_total") or 0

    before = await cut()
    async with RawClient(cartman.port) as client:
        await client.shake()
        await client.send(b"\x82\x80\0\0\0\0")
        assert await client.close_code() == 1003

    async def grown() -> bool:
        return await cut() == before + 1

    await eventually(grown)


async def test_the_loop_lag_is_looked_at_every_second(cartman: Agent) -> None:
    async def looks() -> float:
        page = Scrape((await fetch(cartman.port, "/metrics")).body)
        return page("nodnod_event_loop_lag_seconds_count") or 0

    await eventually(looks)


# Requests that are none, or too much.


STATUS = {
    "an unknown path": (request("/nowhere"), 404),
    "an unknown path, HEAD": (request("/nowhere", "HEAD"), 404),
    "another method": (request("/stat", "POST"), 405),
    "another method for metrics": (request("/metrics", "DELETE"), 405),
    "OPTIONS of all": (request("*", "OPTIONS"), 405),
    "a body": (request("/stat", "POST", "Content-Length: 2", body=b"{}"), 405),
    "a body of GET": (request("/metrics", "GET", "Content-Length: 2", body=b"{}"), 405),
    "a body in chunks": (request("/", "PUT", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 405),
    "a bad parameter": (request("/stat?timeout=x"), 400),
    "a bad parameter for metrics": (request("/metrics/cluster?timeout=0"), 400),
    "a bad section": (request("/metrics?detail=colour"), 400),
    "a path too long": (request("/" + "x" * 9000), 414),
    "a query too long": (request("/stat/all?nodes=" + "x" * 9000), 414),
    "a header too long": (request("/stat", "GET", "X-Long: " + "x" * 9000), 431),
    "too many headers": (request("/stat", "GET", *(f"X-{n}: x" for n in range(200))), 431),
    "a header without a name": (request("/stat", "GET", ": x"), 400),
    "a header with a space": (request("/stat", "GET", "X y: x"), 400),
    "a folded header": (request("/stat", "GET", "X: a", " b"), 400),
    "a path that is not ASCII": (request("/é"), 400),
    "no protocol": (b"GET /stat\r\n\r\n", 400),
    "another protocol": (b"GET /stat HTTP/3.0\r\n\r\n", 400),
    "no words": (b"\r\n\r\n", 400),
}


@pytest.mark.parametrize(("data", "status"), STATUS.values(), ids=STATUS.keys())
async def test_a_request_that_cannot_be_served_is_told_why(
    cartman: Agent, data: bytes, status: int
) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(data)
        page = parse(await client.rest())

    assert page.status == status
    if status == 405:
        assert page.headers["Allow"] == "GET, HEAD"
    assert (await fetch(cartman.port, "/healthz")).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/stat/all"])
@pytest.mark.parametrize("behind", [b"\r\n", request("/stat"), b"\xff" * 100, bytes(5000)])
async def test_what_comes_behind_a_request_does_not_cost_its_answer(
    cartman: Agent, path: str, behind: bytes
) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(request(path) + behind)
        answer = await client.rest()

    assert parse(answer).status == 200
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_broken_frame_right_behind_the_handshake_ends_the_connection(
    cartman: Agent,
) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(upgrade() + b"\xff" * 100)

        assert await client.rest() == b""


async def test_a_request_may_come_byte_by_byte(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        for byte in request("/healthz"):
            await client.send(bytes([byte]))
            await asyncio.sleep(0)

        assert parse(await client.rest()).json == {"status": "ok"}


# Pages that wait.


async def test_the_page_of_the_cluster_comes_at_the_deadline_and_names_the_frozen(
    beside_frozen: Agent,
) -> None:
    answer = (await fetch(beside_frozen.port, "/stat/all?timeout=0.2")).json
    page = Scrape((await fetch(beside_frozen.port, "/metrics/cluster?timeout=0.2")).body)
    some = Scrape((await fetch(beside_frozen.port, "/metrics/cluster?nodes=stan")).body)

    assert answer["nodes"]["kyle"]["error"] == "no answer within 0.2 s"
    assert (page("nodnod_up", node="stan"), page("nodnod_up", node="kyle")) == (1, 0)
    assert page("nodnod_memory_total_bytes", node="kyle") is None
    assert some.of("node") == ["stan"]


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


LEAVING: dict[str, Callable[[socket.socket], None]] = {
    "closing": socket.socket.close,
    "resetting": reset,
    "ending its half": lambda sock: sock.shutdown(socket.SHUT_WR),
}


@pytest.mark.parametrize("path", ["/stat/all?timeout=0.3", "/metrics/cluster?timeout=0.3"])
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
async def test_a_page_that_waits_survives_the_leaving_of_its_client(
    beside_frozen: Agent, path: str, leave: Callable[[socket.socket], None]
) -> None:
    async with RawClient(beside_frozen.port) as client, V1Client(beside_frozen.address) as other:
        await client.send(request(path))
        # The one that came later is answered later.
        await other.send({"type": 1, "timeout": 0.4})
        leave(client.socket)
        (answer,) = await other.receive()

    assert answer["nodes"]["kyle"]["error"] == "no answer within 0.4 s"
    assert (await fetch(beside_frozen.port, "/healthz")).status == 200


async def test_a_page_that_waits_delays_no_other(beside_frozen: Agent) -> None:
    async with RawClient(beside_frozen.port) as client:
        await client.send(request(WAITING))

        assert (await fetch(beside_frozen.port, "/stat")).status == 200
        assert (await fetch(beside_frozen.port, "/metrics")).status == 200


async def test_who_waits_for_a_page_is_told_that_the_agent_stops(beside_frozen: Agent) -> None:
    async with RawClient(beside_frozen.port) as client:
        await client.send(request(WAITING))
        await fetch(beside_frozen.port, "/healthz")  # the one before has been read by then
        beside_frozen.signal(signal.SIGTERM)

        page = parse(await client.rest())

    assert page.status == 503
    assert page.json["code"] == "shutting_down"
    assert await beside_frozen.exited(within=2.0) == 0
