"""Real agents over real servers that are killed, stand still, are full, flooded, or cut off from each other."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from backplane.servers import NatsServer, flood
from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from bench.harness.proxy import Proxy
from eventually import eventually
from live.fake_clock import Clock
from nodnod_client.client import Client

NAMES = ("stan", "kyle", "kenny")

Begin = Callable[..., Agent]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.close()


@pytest.fixture
def begin(server: NatsServer, agents: Agents) -> Begin:
    """Begins to start an agent that uses the server, or others."""

    def begin(name: str, servers: tuple[NatsServer, ...] = (server,), **options: Any) -> Agent:
        more = options.pop("settings", {})
        settings = {"backplane": [one.url for one in servers], "backplaneCluster": "test", **more}
        return agents.begin(name, settings=settings, **options)

    return begin


@pytest_asyncio.fixture
async def cluster(begin: Begin) -> AsyncIterator[list[Agent]]:
    """Three agents; each answers for all."""
    started = [begin(name) for name in NAMES]
    await all_whole(started)
    yield started


async def all_whole(started: list[Agent]) -> None:
    """Wait until each of these answers for all of them, each once and without an error."""
    for agent in started:
        agent.listening()
    for agent in started:
        await whole(agent, *(one.name for one in started))


async def errors(agent: Agent) -> dict[str, str]:
    async with Client(agent.address) as client:
        answer = await client.stat_all(deadline=5)
    return {name: node.error for name, node in answer.nodes.items()}


async def why_not_connected(agent: Agent) -> str:
    async with Client(agent.address) as client:
        connection = (await client.members()).backplane
    assert connection is not None
    return connection.error


async def test_a_server_that_stands_still_is_an_error_of_all_others_and_is_forgotten(
    cluster: list[Agent], server: NatsServer
) -> None:
    server.stop_still()

    async def is_named() -> bool:
        for agent in cluster:
            seen = await errors(agent)
            if {name for name, error in seen.items() if "no backplane since" in error} != {
                name for name in NAMES if name != agent.name
            }:
                return False
        return True

    await eventually(is_named)
    for agent in cluster:
        assert "no answer within" in await why_not_connected(agent)
    server.go_on()
    await all_whole(cluster)
    assert "Lost connection with node" not in "".join(agent.log() for agent in cluster)


async def test_a_wrong_password_is_named_and_leaves_the_agent_its_own_numbers(
    begin: Begin, server: NatsServer, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("mistaken")
    secret.chmod(0o600)
    server.kill()
    server.configure('authorization {user: agents, password: "right"}')
    server.start()
    kenny = begin("kenny", settings={"nats": {"user": "agents", "password": f"file:{secret}"}})
    kenny.listening()

    async def is_named() -> bool:
        return "it refuses our user, token or key" in await why_not_connected(kenny)

    await eventually(is_named)
    assert await errors(kenny) == {"kenny": ""}
    assert "mistaken" not in kenny.log()
    server.kill()
    server.configure('authorization {user: agents, password: "mistaken"}')
    server.start()

    async def is_connected() -> bool:
        return not await why_not_connected(kenny)

    await eventually(is_connected)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small filesystem of its own")
async def test_a_full_disk_of_the_server_is_not_noticed(begin: Begin, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=64k none {small} && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:  # noqa: ASYNC221
        pytest.skip("mounts are not allowed here")
    options = "trace: true, jetstream {max_file: 32K}"
    full = NatsServer(
        tmp_path,
        "full",
        f"log_file: {small}/log, store_dir: {small}, {options}",
        prefix=prefix,
    )
    full.start()
    try:
        started = [begin(name, (full,)) for name in NAMES]
        await all_whole(started)

        def is_full() -> bool:
            return os.statvfs(f"/proc/{full.pid}/root{small}").f_bfree == 0

        async def is_full_of_their_words() -> bool:
            await errors(started[0])
            return is_full()

        await eventually(is_full_of_their_words)
        await all_whole(started)
        assert is_full()
    finally:
        full.close()


async def test_a_flood_of_a_stranger_ends_and_costs_bounded_memory(
    cluster: list[Agent], server: NatsServer
) -> None:
    before = psutil.Process(cluster[0].pid).memory_info().rss
    async with Client(cluster[0].address) as client:
        async for _ in client.stream():
            break
        await asyncio.to_thread(flood, server.port, b"nodnod.test.word.mallory.1", 200_000)
    await all_whole(cluster)
    assert psutil.Process(cluster[0].pid).memory_info().rss < before + 32 * 1024 * 1024


async def test_of_two_agents_with_one_name_the_newer_is_listed(begin: Begin) -> None:
    twins = {"settings": {"advertise": "kenny:7070"}}
    stan, older = begin("stan"), begin("kenny", label="older", **twins)
    await all_whole([stan, older])
    newer = begin("kenny", label="newer", **twins)
    newer.listening()

    async def instances(agent: Agent) -> list[str]:
        async with Client(agent.address) as client:
            rows = (await client.members()).members
        return [row.instance for row in rows if row.name == "kenny"]

    async def is_listed() -> bool:
        return await instances(stan) == (await instances(newer))[:1]

    await eventually(is_listed)
    await whole(stan, "stan", "kenny")


async def test_clocks_that_differ_by_hours_do_no_harm_nor_do_ones_that_are_set_back(
    begin: Begin, clock: Clock
) -> None:
    clock.set(5)
    stan, kyle = begin("stan"), begin("kyle")
    kenny = begin("kenny", prefix=clock.prefix)
    await all_whole([stan, kyle, kenny])
    kenny.signal(signal.SIGTERM)
    await kenny.exited()
    clock.set(-5)
    kenny.start()
    await all_whole([stan, kyle, kenny])


async def test_leaf_nodes_that_are_cut_off_show_the_others_as_down_and_heal(
    begin: Begin, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    async with Proxy(f"127.0.0.1:{port}") as proxy:
        # Else the leaf would be told where the hub really is, and go there.
        listens = f'listen: 127.0.0.1:{port}, advertise: "{proxy.address}"'
        hub = NatsServer(tmp_path, "hub", f"leafnodes {{{listens}}}")
        remotes = f'remotes: [{{url: "nats-leaf://{proxy.address}"}}]'
        leaf = NatsServer(tmp_path, "leaf", f"leafnodes {{reconnect: 1, {remotes}}}")
        for one in (hub, leaf):
            one.start()
        try:
            await eventually(lambda: "Leafnode connection created" in leaf.log())
            here = [begin(name, (hub,)) for name in ("stan", "kyle")]
            await all_whole(here)
            there = [begin(name, (leaf,)) for name in ("kenny", "cartman")]
            await all_whole(here + there)
            proxy.target = f"127.0.0.1:{free_ports(1)[0]}"  # nobody listens there
            await proxy.reset()

            async def is_named() -> bool:
                for side, others in ((here, there), (there, here)):
                    for agent in side:
                        seen = await errors(agent)
                        own = {one.name: "" for one in side}
                        if {name: seen[name] for name in own} != own:
                            return False
                        if not all(seen[one.name].startswith("down: ") for one in others):
                            return False
                return True

            await eventually(is_named, within=60.0)
            proxy.target = f"127.0.0.1:{port}"
            await all_whole(here + there)
        finally:
            for one in (leaf, hub):
                one.close()
