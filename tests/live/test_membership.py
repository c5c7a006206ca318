"""Eight agents, seven of which join through the first: all have the same view."""

from time import time

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from eventually import SLACK
from live.asking import ask, errors
from live.views import all_see, members

NAMES = ("butters", "cartman", "kenny", "kyle", "stan", "timmy", "token", "wendy")
UP = dict.fromkeys(NAMES, "up")


@pytest.fixture
async def cluster(shared_agents: Agents) -> dict[str, Agent]:
    """All eight by name; every test leaves them as it found them."""
    if not shared_agents.started:
        ports = free_ports(len(NAMES))
        seed = f"127.0.0.1:{ports[0]}"
        for name, port in zip(NAMES, ports, strict=True):
            flags = ["--join", seed] if name != NAMES[0] else []
            shared_agents.begin(name, listen=f"127.0.0.1:{port}", flags=flags)
        for agent in shared_agents.started:
            agent.listening()
    await all_see(shared_agents.started, **UP)
    return {agent.name: agent for agent in shared_agents.started}


def others(cluster: dict[str, Agent], *but: Agent) -> list[Agent]:
    return [agent for agent in cluster.values() if agent not in but]


async def test_all_agents_have_the_same_view_and_answer_for_all(cluster: dict[str, Agent]) -> None:
    views = [await members(agent) for agent in cluster.values()]
    answers = [await ask(agent, {"type": 1}) for agent in cluster.values()]

    addresses = {agent.address: name for name, agent in cluster.items()}
    assert all({a: row["name"] for a, row in view.items()} == addresses for view in views)
    assert {error for view in views for error in (row["error"] for row in view.values())} == {""}
    assert [errors(answer) for answer in answers] == [dict.fromkeys(NAMES, "")] * len(NAMES)
    instances = [{a: row["instance"] for a, row in view.items()} for view in views]
    assert all(view == instances[0] for view in instances)
    assert len(set(instances[0].values())) == len(NAMES)


async def test_the_killed_seed_is_down_everywhere_with_reason_and_time(
    cluster: dict[str, Agent],
) -> None:
    seed = cluster["butters"]
    killed = time()
    seed.kill()

    await all_see(others(cluster, seed), within=0.1 + SLACK, **UP | {"butters": "down"})

    for agent in others(cluster, seed):
        row = (await members(agent))[seed.address]
        error = errors(await ask(agent, {"type": 1}))["butters"]
        # A failed dial may have changed the reason by the second request.
        assert error in (row["error"], (await members(agent))[seed.address]["error"])
        assert row["error"].startswith("down: ")
        assert killed - 0.1 <= row["since"] <= time()
    await seed.restart()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in its place", "at another port"])
async def test_a_node_that_restarts_is_the_same_node_in_a_new_instance(
    cluster: dict[str, Agent], elsewhere: bool
) -> None:
    kenny = cluster["kenny"]
    before = (await members(kenny))[kenny.address]["instance"]
    kenny.kill()
    if elsewhere:
        kenny.listen = f"127.0.0.1:{free_ports(1)[0]}"
    await kenny.restart()

    await all_see(cluster.values(), **UP)

    after = {(await members(agent))[kenny.address]["instance"] for agent in cluster.values()}
    assert len(after) == 1
    assert after != {before}
    assert all("Two nodes have the name" not in agent.log() for agent in cluster.values())


async def test_a_stopped_node_has_left_with_one_log_line_and_comes_back_elsewhere(
    cluster: dict[str, Agent],
) -> None:
    kyle = cluster["kyle"]
    rest = others(cluster, kyle)
    mentions = {agent.name: agent.log().count("kyle") for agent in rest}
    address = kyle.address
    assert await kyle.stopped() == 0

    states = {name: state for name, state in UP.items() if name != "kyle"}
    await all_see(rest, within=SLACK, left=["kyle"], **states)

    for agent in rest:
        lines = [line for line in agent.log().splitlines() if "kyle" in line]
        assert len(lines) == mentions[agent.name] + 1
        assert f"INFO Node left: [kyle : {address}]" in lines[-1]
    kyle.listen = f"127.0.0.1:{free_ports(1)[0]}"
    await kyle.restart()
    await all_see(cluster.values(), **UP)
