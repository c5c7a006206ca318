"""WebSockets and pages through nginx: balanced, accepted or refused, and an agent lost."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from eventually import eventually
from live.asking import reload
from live.nginx import EXAMPLE, NAME, NAMES, PATIENCE, Cluster, running
from nodnod_agent.transport.server_connection import PING_AFTER
from nodnod_client.websocket import SUBPROTOCOL


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose agents keep running."""
    with running(tmp_path_factory.mktemp("nginx")) as cluster:
        yield cluster


# Balance.


async def test_websockets_are_spread_over_all_agents_and_each_answers_for_all(
    cluster: Cluster,
) -> None:
    assert await cluster.hosts(9) == dict.fromkeys(NAMES, 3)
    await cluster.whole()

    for _ in NAMES:
        async with cluster.nginx.client(cluster.token) as client:
            answer = await client.stat_all()
        assert {name: node.error for name, node in answer.nodes.items()} == dict.fromkeys(NAMES, "")


async def test_pages_are_spread_over_all_agents(cluster: Cluster) -> None:
    pages = [await cluster.nginx.get("/stat", Authorization=cluster.bearer) for _ in range(9)]

    assert [page.status for page in pages] == [200] * 9
    assert {page.json["host"] for page in pages} == set(NAMES)


async def test_a_stream_keeps_ticking(cluster: Cluster) -> None:
    async with cluster.nginx.client(cluster.token) as client, asyncio.timeout(PATIENCE):
        ticks = []
        async for answer in client.stream(every=0.25, reconnect=False):
            assert answer.seq is not None
            ticks.append(answer.seq)
            if len(ticks) == 8:
                break

    assert ticks == list(range(ticks[0], ticks[0] + 8))


def test_the_timeouts_of_nginx_are_longer_than_the_keepalive_of_the_agent() -> None:
    text = EXAMPLE.read_text()

    for setting in ("proxy_read_timeout", "proxy_send_timeout"):
        (seconds,) = re.findall(rf"^ +{setting} (\d+)s;", text, re.MULTILINE)
        assert int(seconds) > 2 * PING_AFTER


# Access control.


async def test_the_dashboard_loads_with_all_its_scripts(cluster: Cluster) -> None:
    page = await cluster.nginx.get("/")
    needed = re.findall(r'(?:src|href)="([^":]+)"', page.body.decode())
    kinds = [
        (await cluster.nginx.get(f"/{path.lstrip('/')}")).headers["Content-Type"] for path in needed
    ]

    assert page.headers["Content-Type"].startswith("text/html")
    assert "text/javascript; charset=utf-8" in kinds
    assert "text/css; charset=utf-8" in kinds


async def test_the_websocket_of_the_dashboard_is_accepted(cluster: Cluster) -> None:
    own = f"https://{NAME}:{cluster.nginx.port}"

    async with cluster.nginx.browser(origin=own, token=cluster.token) as websocket:
        await websocket.send('{"type": 0}')
        assert json.loads(await websocket.recv())["host"] in NAMES
        assert websocket.subprotocol == SUBPROTOCOL


@pytest.mark.parametrize(
    ("origin", "host", "token", "status"),
    [
        ("https://{name}:{port}", NAME, "nonsense", 401),
        ("https://elsewhere.example", NAME, "{token}", 403),
        ("https://{name}", NAME, "{token}", 403),
        ("https://{name}:{port}", "other.example", "{token}", 421),
    ],
)
async def test_a_websocket_that_the_agents_refuse_is_refused(
    cluster: Cluster, origin: str, host: str, token: str, status: int
) -> None:
    origin = origin.format(name=NAME, port=cluster.nginx.port)

    with pytest.raises(InvalidStatus) as refused:
        async with cluster.nginx.browser(
            origin=origin, host=host, token=token.format(token=cluster.token)
        ):
            pass

    assert refused.value.response.status_code == status


async def test_a_page_needs_a_token_and_an_allowed_host_which_is_named(cluster: Cluster) -> None:
    known = await cluster.nginx.get("/healthz", Host=NAME)
    unknown = await cluster.nginx.get("/healthz", Host="other.example")

    assert (known.status, unknown.status) == (200, 421)
    assert b"allowedHosts" in unknown.body
    assert (await cluster.nginx.get("/stat/all")).status == 401
    assert (await cluster.nginx.get("/stat/all", Authorization=cluster.bearer)).status == 200


# A lost agent.


async def test_clients_do_not_notice_a_lost_agent_and_it_is_used_again_once_it_is_back(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as cluster:
        await cluster.whole()
        kenny = cluster.agents[1]

        kenny.kill()
        # The client tries once: nginx itself must pass a request for kenny to another agent.
        pages = [
            await cluster.nginx.get("/stat/all?timeout=0.5", Authorization=cluster.bearer)
            for _ in range(12)
        ]
        hosts = await cluster.hosts(12)

        assert [page.status for page in pages] == [200] * 12
        assert {page.json["host"] for page in pages} == {"cartman", "kyle"}
        for page in pages:
            assert page.json["nodes"]["kenny"]["error"].startswith("down: ")
        assert hosts == {"cartman": 6, "kyle": 6}

        await kenny.restart()

        async def used_again() -> bool:
            return (await cluster.hosts(3))["kenny"] > 0

        await eventually(used_again, within=PATIENCE)


async def test_a_stream_whose_agent_dies_goes_on_with_another(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        await cluster.whole()
        hosts = []
        async with cluster.nginx.client(cluster.token) as client, asyncio.timeout(PATIENCE):
            async for answer in client.stream(every=0.25, deadline=0.2):
                if not hosts:
                    next(one for one in cluster.agents if one.name == answer.host).kill()
                hosts.append(answer.host)
                if answer.host != hosts[0]:
                    assert answer.nodes[hosts[0]].error.startswith("down: ")
                    break

        assert {*hosts} < {*NAMES}


# TLS between nginx and the agents.


async def test_nginx_verifies_the_certificates_of_the_agents(tmp_path: Path) -> None:
    with running(tmp_path, tls=True) as cluster:
        await cluster.whole()
        assert await cluster.hosts(6) == dict.fromkeys(NAMES, 2)

        # The next certificate lacks the name of the upstream.
        cluster.authority.issue("cartman", "127.0.0.1")
        cartman = cluster.agents[0]
        assert "Configuration reloaded" in await reload(cartman)
        assert await cluster.hosts(6) == {"kenny": 3, "kyle": 3}
