"""Tags of real agents: told to all, asked for, and changed by SIGHUP."""

from typing import Any

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask, reload

DB, WEB = {"role": "db"}, {"role": "web"}


async def tagged(agent: Agent, pattern: str) -> list[str]:
    """The nodes that an agent answers for when it is asked by tags."""
    answer = await ask(agent, {"type": 1, "nodes": [pattern]})
    return sorted(answer["nodes"])


async def three(agents: Agents) -> list[Agent]:
    settings: dict[str, Any] = {"cartman": {"tags": DB}, "kenny": {"tags": WEB}, "stan": None}
    started = agents.mesh(settings)
    for agent in started:
        await whole(agent, *settings)
    return started


async def test_every_agent_answers_for_the_nodes_with_a_tag(agents: Agents) -> None:
    for agent in await three(agents):

        async def found(agent: Agent = agent) -> bool:
            patterns = ("tag:role=db", "tag:role", "tag:role=w*", "tag:site")
            names = [await tagged(agent, pattern) for pattern in patterns]
            return names == [["cartman"], ["cartman", "kenny"], ["kenny"], []]

        await eventually(found)


async def test_a_reload_changes_tags_everywhere_and_for_running_streams(agents: Agents) -> None:
    cartman, kenny, stan = await three(agents)
    async with V1Client(stan.address) as client:
        await client.send({"type": 1, "nodes": ["tag:role=db"], "id": "s", "every": 0.25})

        async def streamed() -> list[str]:
            return sorted((await client.receive())[0]["nodes"])

        await eventually(lambda: _is(streamed, ["cartman"]))
        kenny.configure(nodes=[cartman.listen, kenny.listen, stan.listen], tags=DB)
        assert "Configuration reloaded" in await reload(kenny)
        await eventually(lambda: _is(streamed, ["cartman", "kenny"]))
    assert await tagged(kenny, "tag:role=web") == []
    assert "needs a restart" not in kenny.log()


async def test_a_flag_and_the_environment_add_to_the_file(agents: Agents) -> None:
    flags = ["--tag", "role=web", "--tag", "site=eu-1"]
    agent = agents.start("kyle", settings={"tags": {"role": "db", "rack": "r1"}}, flags=flags)
    (row,) = (await ask(agent, {"type": 3}))["members"]
    assert row["tags"] == {"role": "web", "site": "eu-1", "rack": "r1"}


async def _is(read: Any, expected: list[str]) -> bool:
    return bool(await read() == expected)
