"""WebSockets and pages through nginx: balanced, let in or kept out, and an agent lost."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from eventually import eventually
from live.nginx import EXAMPLE, NAME, NAMES, PATIENCE, Cluster, running
from nodnod_agent.console.main import main
from nodnod_agent.transport.server_connection import PING_AFTER
from nodnod_client.websocket import SUBPROTOCOL


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in which nothing happens."""
    with running(tmp_path_factory.mktemp("calm")) as cluster:
        yield cluster


# -- balance -------------------------------------------------------------------------------------


async def test_websockets_are_spread_over_all_agents(calm: Cluster) -> None:
    assert await calm.hosts(9) == dict.fromkeys(NAMES, 3)


async def test_each_websocket_answers_for_the_whole_cluster(calm: Cluster) -> None:
    await calm.whole()

    for _ in NAMES:
        async with calm.nginx.client(calm.token) as client:
            answer = await client.stat_all()
        assert {name: node.error for name, node in answer.nodes.items()} == dict.fromkeys(NAMES, "")


async def test_the_command_asks_through_it(
    calm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    server, ca = f"wss://127.0.0.1:{calm.nginx.port}", calm.nginx.authority.ca
    flags = ["--json", "--server", server, "--ca", ca, "--token", calm.token]

    status = await asyncio.to_thread(main, ["stat", *flags])

    assert status == 0
    assert json.loads(capsys.readouterr().out)["nodes"].keys() == {*NAMES}


async def test_pages_are_spread_over_all_agents(calm: Cluster) -> None:
    pages = [await calm.nginx.get("/stat", Authorization=calm.bearer) for _ in range(9)]

    assert [page.status for page in pages] == [200] * 9
    assert {page.json["host"] for page in pages} == set(NAMES)


async def test_a_stream_goes_on(calm: Cluster) -> None:
    async with calm.nginx.client(calm.token) as client, asyncio.timeout(PATIENCE):
        ticks = []
        async for answer in client.stream(every=0.25, reconnect=False):
            assert answer.seq is not None
            ticks.append(answer.seq)
            if len(ticks) == 8:
                break

    assert ticks == list(range(ticks[0], ticks[0] + 8))


def test_an_idle_websocket_is_not_cut_before_the_agent_has_pinged_and_waited() -> None:
    text = EXAMPLE.read_text()

    for setting in ("proxy_read_timeout", "proxy_send_timeout"):
        (seconds,) = re.findall(rf"^ +{setting} (\d+)s;", text, re.MULTILINE)
        assert int(seconds) > 2 * PING_AFTER


# -- who may in ----------------------------------------------------------------------------------


async def test_the_dashboard_loads_with_all_its_scripts(calm: Cluster) -> None:
    page = await calm.nginx.get("/")
    needed = re.findall(r'(?:src|href)="([^":]+)"', page.body.decode())
    kinds = [
        (await calm.nginx.get(f"/{path.lstrip('/')}")).headers["Content-Type"] for path in needed
    ]

    assert page.headers["Content-Type"].startswith("text/html")
    assert "text/javascript; charset=utf-8" in kinds
    assert "text/css; charset=utf-8" in kinds


async def test_the_dashboards_own_websocket_is_let_in(calm: Cluster) -> None:
    own = f"https://{NAME}:{calm.nginx.port}"

    async with calm.nginx.browser(origin=own, token=calm.token) as websocket:
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
async def test_whoever_the_agents_keep_out_nginx_keeps_out(
    calm: Cluster, origin: str, host: str, token: str, status: int
) -> None:
    origin = origin.format(name=NAME, port=calm.nginx.port)

    with pytest.raises(InvalidStatus) as refused:
        async with calm.nginx.browser(
            origin=origin, host=host, token=token.format(token=calm.token)
        ):
            pass

    assert refused.value.response.status_code == status


async def test_a_page_under_a_name_that_agents_do_not_know_is_refused_and_the_setting_named(
    calm: Cluster,
) -> None:
    known = await calm.nginx.get("/healthz", Host=NAME)
    unknown = await calm.nginx.get("/healthz", Host="other.example")

    assert known.status == 200
    assert unknown.status == 421
    assert b"allowedHosts" in unknown.body


async def test_a_page_without_a_token_is_refused(calm: Cluster) -> None:
    assert (await calm.nginx.get("/stat/all")).status == 401
    assert (await calm.nginx.get("/stat/all", Authorization=calm.bearer)).status == 200


# -- loss ----------------------------------------------------------------------------------------


async def test_clients_never_notice_that_an_agent_is_gone_and_it_is_asked_again_once_it_is_back(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as cluster:
        await cluster.whole()
        kenny = cluster.agents[1]

        kenny.kill()
        # No second try anywhere: whoever is sent to kenny must be sent on by nginx.
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

        kenny.start()
        kenny.listening()

        async def asked_again() -> bool:
            return (await cluster.hosts(3))["kenny"] > 0

        await eventually(asked_again, within=PATIENCE)


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


# -- TLS behind it too ---------------------------------------------------------------------------


async def test_agents_with_certificates_are_verified_and_asked(tmp_path: Path) -> None:
    with running(tmp_path, tls=True) as cluster:
        await cluster.whole()
        assert await cluster.hosts(6) == dict.fromkeys(NAMES, 2)

        # Its next certificate lacks the name of the upstream.
        cluster.authority.issue("cartman", "127.0.0.1")
        cartman = cluster.agents[0]
        cartman.signal(signal.SIGHUP)
        await eventually(lambda: "Configuration reloaded" in cartman.log())
        assert await cluster.hosts(6) == {"kenny": 3, "kyle": 3}
