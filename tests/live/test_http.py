"""Plain HTTP on the agent's own port, over real sockets."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.samples import Scrape
from doubles.v1_client import V1Client
from eventually import SLACK, eventually
from live.asking import ask
from live.raw import RawClient
from live.web import fetch, parse, request

PATHS = ["/", "/stat", "/stat/all", "/members", "/healthz", "/sd", "/metrics", "/metrics/cluster"]
WAITING = "/stat/all?timeout=30"


@pytest.fixture(scope="module")
def cartman(shared_agents: Agents) -> Agent:
    return shared_agents.start("cartman")


@pytest.fixture(scope="module")
def pair(shared_agents: Agents) -> list[Agent]:
    return shared_agents.mesh({"stan": None, "kyle": None})


@pytest.fixture
async def stan(pair: list[Agent]) -> AsyncIterator[Agent]:
    """An agent whose peer is frozen: an answer for the cluster waits for the deadline."""
    stan, kyle = pair
    await whole(stan, "stan", "kyle")
    kyle.signal(signal.SIGSTOP)
    yield stan
    kyle.signal(signal.SIGCONT)


@pytest.mark.parametrize("path", PATHS)
async def test_head_has_the_headers_of_get_and_no_body(cartman: Agent, path: str) -> None:
    page, head = await fetch(cartman.port, path), await fetch(cartman.port, path, "HEAD")

    assert (page.status, head.status) == (200, 200)
    assert head.body == b""
    assert page.headers["Content-Length"] == str(len(page.body))
    assert head.headers["Content-Type"] == page.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


async def test_websocket_page_and_metrics_have_the_same_numbers(agents: Agents) -> None:
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


async def quiet(agent: Agent, connections: int) -> list[Scrape]:
    """Read metrics until an agent has so many connections, with that of this request."""
    pages = []

    async def look() -> bool:
        pages.append(Scrape((await fetch(agent.port, "/metrics")).body))
        lag = pages[-1]("nodnod_event_loop_lag_seconds_count")
        return pages[-1]("nodnod_connections") == connections and bool(lag)

    await eventually(look)
    return pages


async def test_counters_grow_with_what_they_count(cartman: Agent) -> None:
    # The connections of other tests are gone, and the event loop lag has been measured.
    before = (await quiet(cartman, 1))[-1]
    async with V1Client(cartman.address) as client, RawClient(cartman.port) as cut:
        for request_ in ({"type": 0}, {"type": 1}, "nonsense"):
            await client.send(request_)
            await client.receive()
        await cut.shake()
        await cut.send(b"\x82\x80\0\0\0\0")
        assert await cut.close_code() == 1003
        cut.socket.close()
        pages = await quiet(cartman, 2)
        after = pages[-1]

    def grown(name: str, **labels: str) -> float:
        return (after(name, **labels) or 0) - (before(name, **labels) or 0)

    assert grown("nodnod_requests_total", type="stat") == 1
    assert grown("nodnod_requests_total", type="stat_all") == 1
    assert grown("nodnod_bad_requests_total", code="bad_json") == 1
    assert grown("nodnod_request_duration_seconds_count") == 2
    assert grown("nodnod_clients", kind="client") == 1
    assert grown("nodnod_http_requests_total", page="/metrics", code="200") == len(pages)
    assert grown("nodnod_connections_accepted_total") >= 3
    assert grown("nodnod_connections_cut_total") == 1


@pytest.mark.parametrize("path", ["/healthz", "/stat/all"])
@pytest.mark.parametrize("after", [b"\r\n", request("/stat"), b"\xff" * 100, bytes(5000)])
async def test_bytes_after_a_request_do_not_cost_its_answer(
    cartman: Agent, path: str, after: bytes
) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(request(path) + after)
        answer = await client.rest()

    assert parse(answer).status == 200
    assert answer.count(b"HTTP/1.1") == 1


# Pages that wait for a frozen node.


LEAVING: dict[str, Callable[[RawClient], None]] = {
    "closing": lambda client: client.socket.close(),
    "resetting": RawClient.reset,
    "ending its half": lambda client: client.socket.shutdown(socket.SHUT_WR),
}


@pytest.mark.parametrize("path", ["/stat/all?timeout=0.3", "/metrics/cluster?timeout=0.3"])
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
async def test_a_client_that_leaves_a_page_that_waits_harms_no_other(
    stan: Agent, path: str, leave: Callable[[RawClient], None]
) -> None:
    async with RawClient(stan.port) as client, V1Client(stan.address) as other:
        await client.send(request(path))
        # The later request is answered later.
        await other.send({"type": 1, "timeout": 0.4})
        leave(client)
        (answer,) = await other.receive()

    assert answer["nodes"]["kyle"]["error"] == "no answer within 0.4 s"
    assert (await fetch(stan.port, "/healthz")).status == 200


async def test_a_page_that_waits_delays_no_other_page(stan: Agent) -> None:
    async with RawClient(stan.port) as client:
        await client.send(request(WAITING))

        assert (await fetch(stan.port, "/stat")).status == 200
        assert (await fetch(stan.port, "/metrics")).status == 200


async def test_a_page_that_waits_says_that_the_agent_stops(stan: Agent) -> None:
    async with RawClient(stan.port) as client:
        await client.send(request(WAITING))
        await fetch(stan.port, "/healthz")  # the request before has been read by then
        stopped = asyncio.create_task(stan.stopped(within=2.0 + SLACK))

        page = parse(await client.rest())

    assert page.status == 503
    assert page.json["code"] == "shutting_down"
    assert await stopped == 0
