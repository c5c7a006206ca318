"""The simulated cluster at full size, with figures: ``make simulate``.

    python tests/cluster/large.py [join] [halves] [churn] [restart] [day] [moves] [--seed N]

Each scenario asserts what its line says; a failure prints the seed and the last events.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any

sys.path[:0] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../.."]  # tests/simulation, and bench/

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


SCENARIOS: dict[str, Callable[[int], dict[str, Any]]] = {
    "join": join,
    "halves": partition,
    "churn": restart_some,
    "restart": restart_all,
    "day": a_day,
    "moves": moving,
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
            print(f"    {what:32}{shown}")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took = time.perf_counter() - began
        print(f"    {'took (s, of this machine)':32}{took:.0f}")
        print(f"    {'peak memory so far (MB)':32}{memory:.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
