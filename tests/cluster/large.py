"""The simulated cluster at full size, with figures: ``make simulate``.

    python tests/cluster/large.py [join] [halves] [heal] [churn] [restart] [day] [moves] [alerts] [--seed N]

Each scenario asserts what its line says; a failure prints the seed and the last events.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../.."]  # tests/simulation, and bench/

from simulation.alerting import dying_senders, late_messages, partition_of, whole_cluster
from simulation.chaos import Chaos
from simulation.membership import (
    churn,
    configured,
    day,
    halves,
    join_through_one,
    moves,
    newcomer,
    quiet,
    whole_restart,
)
from simulation.moves import KINDS
from simulation.network import Weather
from simulation.world import World, address_of


def join(seed: int) -> dict[str, Any]:
    """1,000 agents that know one seed only, until every link is up and gossip is quiet."""
    with World(seed) as world:
        figures = join_through_one(world, 1000)
        return figures | quiet(world, world.agents, 60.0)


def partition(seed: int) -> dict[str, Any]:
    """200 agents split into halves for ten minutes, and joined again."""
    with World(seed) as world:
        return halves(world, configured(world, 200), 600.0)


def heal(seed: int) -> dict[str, Any]:
    """1,000 agents split into halves for a minute, and joined again: linked within 30 s."""
    with World(seed) as world:
        return halves(world, configured(world, 1000), 60.0)


def restart_some(seed: int) -> dict[str, Any]:
    """100 agents of which a tenth restarts every minute for an hour."""
    with World(seed) as world:
        return churn(world, configured(world, 100), minutes=60)


def restart_all(seed: int) -> dict[str, Any]:
    """200 agents that all restart at once."""
    with World(seed) as world:
        return whole_restart(world, configured(world, 200))


def a_day(seed: int) -> dict[str, Any]:
    """20 agents through 24 hours of late messages and stalls."""
    return day(seed, count=20, hours=24)


def moving(seed: int) -> dict[str, Any]:
    """200 clusters of six whose agents move, exchange addresses and change names, half in chaos."""
    spare = [address_of(number) for number in range(100, 104)]
    for number, start in product(range(seed, seed + 50), (join_through_one, configured)):
        with World(number) as world:
            start(world, 6)
            moves(world, world.agents, KINDS)
        with World(number, Weather(lost=0.01, late=0.002)) as world:
            start(world, 6)
            Chaos(world, world.agents[1:], spare=spare).run(60)
            newcomer(world, world.agents)
    return {"seeds": 50}


def alerts(seed: int) -> dict[str, Any]:
    """100 agents, 1,000 problems, 1 % of messages a second late: senders that die, then a partition."""
    figures: dict[str, Any] = {}
    scenarios = {"late": (late_messages, 400), "deaths": (dying_senders, 300)}
    for name, (scenario, count) in (scenarios | {"partition": (partition_of, 300)}).items():
        with World(seed, Weather(late=0.01)) as world:
            agents, sink = whole_cluster(world, 100)
            found = scenario(world, agents, sink, count)
            figures |= {f"{name}: {what}": figure for what, figure in found.items()}
    return figures


SCENARIOS: dict[str, Callable[[int], dict[str, Any]]] = {
    "join": join,
    "halves": partition,
    "heal": heal,
    "churn": restart_some,
    "restart": restart_all,
    "day": a_day,
    "moves": moving,
    "alerts": alerts,
}


def main() -> int:
    """Run the scenarios asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join(SCENARIOS)
    parser.add_argument(
        "scenario",
        nargs="*",
        choices=[*SCENARIOS, []],
        metavar="SCENARIO",
        help=f"{names} (default: all)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of all randomness (default 1)")
    options = parser.parse_args()
    for name in options.scenario or SCENARIOS:
        began = time.perf_counter()
        print(f"{name}: {SCENARIOS[name].__doc__}", flush=True)
        for what, figure in SCENARIOS[name](options.seed).items():
            shown = f"{figure:.2f}" if isinstance(figure, float) else figure
            print(f"    {what:48}{shown}")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took = time.perf_counter() - began
        print(f"    {'took (s, of this machine)':48}{took:.0f}")
        print(f"    {'peak memory so far (MB)':48}{memory:.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
