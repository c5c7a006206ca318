"""Eight agents of which seven were told of the first alone: who is seen how, and by whom."""

import signal
from time import monotonic, time

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
        first, *others = NAMES
        ports = iter(free_ports(len(NAMES)))
        seed = shared_agents.begin(first, listen=f"127.0.0.1:{next(ports)}")
        for name, port in zip(others, ports, strict=True):
            shared_agents.begin(name, listen=f"127.0.0.1:{port}", flags=["--join", seed.listen])
        for agent in shared_agents.started:
            agent.listening()
    await all_see(shared_agents.started, **UP)
    return {agent.name: agent for agent in shared_agents.started}


def others(cluster: dict[str, Agent], *but: Agent) -> list[Agent]:
    return [agent for agent in cluster.values() if agent not in but]


def restart(agent: Agent) -> None:
    agent.start()
    agent.listening()


async def test_all_know_all_and_answer_for_all(cluster: dict[str, Agent]) -> None:
    views = [await members(agent) for agent in cluster.values()]
    answers = [await ask(agent, {"type": 1}) for agent in cluster.values()]

    addresses = {agent.address: name for name, agent in cluster.items()}
    assert all({a: row["name"] for a, row in view.items()} == addresses for view in views)
    assert {error for view in views for error in (row["error"] for row in view.values())} == {""}
    assert [errors(answer) for answer in answers] == [dict.fromkeys(NAMES, "")] * len(NAMES)


async def test_all_tell_the_same_instance_of_each(cluster: dict[str, Agent]) -> None:
    views = [await members(agent) for agent in cluster.values()]

    instances = [{a: row["instance"] for a, row in view.items()} for view in views]

    assert all(view == instances[0] for view in instances)
    assert len(set(instances[0].values())) == len(NAMES)


async def test_the_seed_killed_is_down_everywhere_with_reason_and_time(
    cluster: dict[str, Agent],
) -> None:
    seed = cluster["butters"]
    killed = time()
    seed.kill()

    await all_see(others(cluster, seed), within=0.1 + SLACK, **UP | {"butters": "down"})

    for agent in others(cluster, seed):
        row = (await members(agent))[seed.address]
        error = errors(await ask(agent, {"type": 1}))["butters"]
        # By the second question it may have been dialled in vain.
        assert error in (row["error"], (await members(agent))[seed.address]["error"])
        assert row["error"].startswith("down: ")
        assert killed - 0.1 <= row["since"] <= time()
    restart(seed)


async def test_a_node_that_restarts_is_the_same_node_in_a_new_instance(
    cluster: dict[str, Agent],
) -> None:
    kenny = cluster["kenny"]
    before = (await members(kenny))[kenny.address]["instance"]
    kenny.kill()
    restart(kenny)

    await all_see(cluster.values(), **UP)

    after = {(await members(agent))[kenny.address]["instance"] for agent in cluster.values()}
    assert len(after) == 1
    assert after != {before}


async def test_a_node_that_is_stopped_has_left_and_is_no_failure(
    cluster: dict[str, Agent],
) -> None:
    kyle = cluster["kyle"]
    rest = others(cluster, kyle)
    complaints = {agent.name: agent.log().count("kyle") for agent in rest}
    kyle.signal(signal.SIGTERM)
    assert await kyle.exited() == 0

    states = {name: state for name, state in UP.items() if name != "kyle"}
    await all_see(rest, within=SLACK, left=["kyle"], **states)

    for agent in rest:
        said = [line for line in agent.log().splitlines() if "kyle" in line]
        assert len(said) == complaints[agent.name] + 1
        assert f"INFO Node left: [kyle : {kyle.address}]" in said[-1]
    restart(kyle)


async def test_a_frozen_node_is_down_everywhere_within_five_seconds(
    cluster: dict[str, Agent],
) -> None:
    stan = cluster["stan"]
    stan.signal(signal.SIGSTOP)
    began = monotonic()
    try:
        await all_see(others(cluster, stan), within=5 + SLACK, **UP | {"stan": "down"})
        assert monotonic() - began > 2
    finally:
        stan.signal(signal.SIGCONT)

    await all_see(cluster.values(), within=2 + SLACK, **UP)
    assert "Lost connection" not in stan.log().rpartition("Connected to node")[2]


async def test_a_node_that_moves_to_another_port_is_the_same_node(
    cluster: dict[str, Agent],
) -> None:
    timmy = cluster["timmy"]
    timmy.kill()
    timmy.listen = f"127.0.0.1:{free_ports(1)[0]}"
    restart(timmy)

    await all_see(cluster.values(), **UP)

    assert all("Two nodes have the name" not in agent.log() for agent in cluster.values())


async def test_a_node_that_leaves_and_comes_back_elsewhere_is_there_once(
    cluster: dict[str, Agent],
) -> None:
    token = cluster["token"]
    token.signal(signal.SIGTERM)
    await token.exited()
    token.listen = f"127.0.0.1:{free_ports(1)[0]}"
    restart(token)

    await all_see(cluster.values(), **UP)
