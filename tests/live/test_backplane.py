"""Real agents that reach each other over a real server."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from backplane.servers import NatsServer
from bench.harness.agents import Agent, Agents, whole
from eventually import eventually
from nodnod_client.client import Client
from nodnod_client.messages import MemberInfo

NAMES = ("stan", "kyle", "kenny")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.close()


@pytest_asyncio.fixture
async def cluster(server: NatsServer, tmp_path: Path) -> AsyncIterator[list[Agent]]:
    """Three agents; each answers for all."""
    settings = {"backplane": [server.url], "backplaneCluster": "test"}
    with Agents(tmp_path) as agents:
        started = [agents.begin(name, settings=settings) for name in NAMES]
        for agent in started:
            agent.listening()
        for agent in started:
            await whole(agent, *NAMES)
        yield started


async def members(agent: Agent) -> dict[str, MemberInfo]:
    async with Client(agent.address) as client:
        return {one.name: one for one in (await client.members()).members}


async def faults(agent: Agent) -> dict[str, str]:
    async with Client(agent.address) as client:
        answer = await client.stat_all(deadline=5)
    return {name: node.error for name, node in answer.nodes.items()}


@pytest.mark.usefixtures("cluster")
async def test_every_agent_answers_for_all() -> None:
    """The fixture waits for it."""


async def test_detail_and_history_come_from_each_node(cluster: list[Agent]) -> None:
    async with Client(cluster[0].address) as client:
        answer = await client.stat_all(detail=["system"], history=10)
    assert set(answer.nodes) == set(NAMES)
    for node in answer.nodes.values():
        assert node.error == ""
        assert node.detail["system"]["kernel"]
        assert node.history["every"] == 1.0


async def test_an_agent_that_stops_has_left(cluster: list[Agent]) -> None:
    stan, _, kenny = cluster
    kenny.signal(signal.SIGTERM)

    async def left() -> bool:
        return (await members(stan))["kenny"].state == "left"

    await eventually(left)
    assert await faults(stan) == {"stan": "", "kyle": ""}


async def test_a_killed_agent_is_down_and_up_again_when_it_is_back(cluster: list[Agent]) -> None:
    stan, _, kenny = cluster
    async with Client(stan.address) as client:
        kenny.kill()
        async for answer in client.stream():  # which keeps the agent awake
            if answer.nodes["kenny"].error == "down: not on the backplane":
                break
    kenny.start()
    kenny.listening()
    await whole(stan, *NAMES)


async def test_without_the_server_every_node_is_named_and_all_is_well_when_it_is_back(
    cluster: list[Agent], server: NatsServer
) -> None:
    server.kill()

    async def named() -> bool:
        for agent in cluster:
            seen = {
                name: error.partition(" since ")[0] for name, error in (await faults(agent)).items()
            }
            if seen != {name: "" if name == agent.name else "down: no backplane" for name in NAMES}:
                return False
        return True

    await eventually(named)
    server.start()
    for agent in cluster:
        await whole(agent, *NAMES)


async def test_clusters_on_one_server_do_not_meet(
    cluster: list[Agent], server: NatsServer, tmp_path: Path
) -> None:
    settings = {"backplane": [server.url], "backplaneCluster": "other"}
    with Agents(tmp_path) as agents:
        butters = await asyncio.to_thread(agents.start, "butters", settings=settings)
        await whole(butters, "butters")
        assert "butters" not in await members(cluster[0])


def permissions(name: str, site: str = "") -> str:
    """A user of NATS that can speak as one node of the cluster, or for its site, only; as in the manual."""
    own = [
        f"nodnod.test.{kind}.{name}.*" for kind in ("all", *(() if site else ("word", "sample")))
    ]
    if site:
        own += [f"nodnod.test.{kind}.{site}.{name}.*" for kind in ("beat", "site", "numbers")]
    own += [f"nodnod.test.{kind}.*.*.{name}.*" for kind in ("tell", "ask", "answer")]
    heard = [f"nodnod.test.{kind}.>" for kind in ("word", "sample", "all", "site", "numbers")]
    heard += [f"nodnod.test.beat.{site}.>"] if site else []
    heard += [f"nodnod.test.{kind}.{name}.>" for kind in ("tell", "ask", "answer")]
    rules = json.dumps({"publish": own, "subscribe": heard})
    return f'{{user: "{name}", password: "of-{name}", permissions: {rules}}}'


async def test_with_permissions_a_node_cannot_speak_as_another(tmp_path: Path) -> None:
    users = ", ".join(map(permissions, ("stan", "kyle", "kenny")))
    server = NatsServer(tmp_path, config=f"authorization {{users: [{users}]}}")
    server.start()

    def settings(user: str) -> dict[str, object]:
        (tmp_path / user).write_text(f"of-{user}")
        (tmp_path / user).chmod(0o600)
        nats = {"user": user, "password": f"file:{tmp_path / user}"}
        return {"backplane": [server.url], "backplaneCluster": "test", "nats": nats}

    with closing(server), Agents(tmp_path) as agents:
        stan, kyle, mallory = (
            agents.begin(name, settings=settings(user), label=label)
            for name, user, label in (
                ("stan", "stan", "stan"),
                ("kyle", "kyle", "kyle"),
                ("stan", "kenny", "mallory"),
            )
        )
        for agent in (stan, kyle, mallory):
            agent.listening()
        for agent in (stan, kyle):
            await whole(agent, "stan", "kyle")
        await eventually(lambda: "permissions violation for publish" in mallory.log())
        await whole(stan, "stan", "kyle")


async def test_sites_show_each_other_and_another_agent_speaks_when_one_dies(tmp_path: Path) -> None:
    """Of users of NATS that may speak for their own site only; the last agent has no backplane."""
    names = {"stan": "eu", "kyle": "eu", "kenny": "us", "cartman": "us"}
    users = ", ".join(permissions(name, site) for name, site in names.items())
    server = NatsServer(tmp_path, config=f"authorization {{users: [{users}]}}")
    server.start()
    with closing(server), Agents(tmp_path) as agents:
        started: dict[str, Agent] = {}
        for name, site in names.items():
            (tmp_path / name).write_text(f"of-{name}")
            (tmp_path / name).chmod(0o600)
            nats = {"user": name, "password": f"file:{tmp_path / name}"}
            started[name] = agents.begin(
                name,
                settings={
                    "site": site,
                    "backplane": [server.url],
                    "backplaneCluster": "test",
                    "nats": nats,
                },
            )
        for agent in started.values():
            agent.listening()
        settings = {"site": "eu", "join": [str(started["stan"].address)]}
        started["wendy"] = await asyncio.to_thread(agents.start, "wendy", settings=settings)
        for name in names:
            await whole(started[name], *started)
        async with Client(started["kenny"].address) as client:
            answer = await client.stat_all(nodes=["site:eu"], history=5)
            assert set(answer.nodes) == {"stan", "kyle", "wendy"}
            assert {node.history["every"] for node in answer.nodes.values()} == {1.0}
        dead = next(one for one in ("stan", "kyle") if "speaks for the site" in started[one].log())
        started[dead].kill()
        others = {name: "" for name in started if name != dead}

        async def taken_over() -> bool:
            found = await faults(started["kenny"])
            return found.pop(dead, "") != "" and found == others

        await eventually(taken_over)
