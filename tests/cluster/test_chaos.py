"""The invariants hold in chaos, and after it the cluster is whole again.

Clients ask all the time, with ids and without, for one node and for all, in every granularity and
with short and long deadlines. Each answer is judged (see ``bench.harness.invariants``): numbers are
those of the node itself, and no older than the request.
"""

from typing import Any

import pytest

from nodnod_agent.transport.dialer import DIAL_LIMIT
from simulation.chaos import Chaos
from simulation.network import CALM, Weather
from simulation.world import World

ROUGH = Weather(lost=0.01, late=0.002)

WHOLE_AGAIN = 15.0 + DIAL_LIMIT
"""Seconds: the longest wait to redial, after an attempt that failed at the end of the chaos."""


def survive(
    seed: int, *, agents: int, seconds: float, legacy: int = 0, every: float = 2.0, **options: Any
) -> None:
    with World(seed, ROUGH) as world:
        cluster = world.mesh(agents, legacy=legacy, **options)
        asked = cluster[:: max(1, agents // 10)]
        clients = [world.client(agent) for agent in asked]
        for client in clients:
            client.keep_asking(0.5)
        for agent in cluster[:3]:
            world.client(agent, stream={"type": 1, "every": 1.0, "id": "stream"})
        world.wait_for(world.whole, WHOLE_AGAIN)
        Chaos(world, cluster, every).run(seconds)
        world.wait_for(world.whole, WHOLE_AGAIN)
        world.network.weather = CALM  # a query and its answer, both late, would miss the deadline
        world.run(5)
        world.check_overdue()
        assert sum(client.counts.answered for client in clients) > seconds
        views = world.ask_all()
        for agent in cluster[: agents - legacy]:  # version 1 has no keepalive: it takes longer
            errors = {name: node["error"] for name, node in views[agent.name].items()}
            assert len(errors) == agents
            assert set(errors.values()) == {""}, f"{agent.name}: {errors}"


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_agents_in_chaos(seed: int) -> None:
    survive(seed, agents=50, seconds=30)


@pytest.mark.parametrize("seed", range(10, 14))
def test_ten_agents_in_longer_chaos(seed: int) -> None:
    survive(seed, agents=10, seconds=60, every=1.0)


@pytest.mark.parametrize("seed", range(20, 23))
def test_a_cluster_with_agents_of_version_1_in_chaos(seed: int) -> None:
    survive(seed, agents=10, legacy=4, seconds=60)


@pytest.mark.parametrize("seed", range(30, 33))
def test_a_cluster_in_push_mode_in_chaos(seed: int) -> None:
    survive(seed, agents=10, legacy=2, seconds=60, mode="push")


@pytest.mark.parametrize("seed", range(40, 43))
def test_two_agents_in_chaos(seed: int) -> None:
    survive(seed, agents=2, seconds=120, every=3.0)
