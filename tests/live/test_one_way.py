"""Three machines, and a network that loses all packets from one of them to one other."""

from time import monotonic

import pytest

from bench.harness.agents import Agent, Agents
from eventually import SLACK, eventually
from live.namespaces import Machines

PORT = 7070
NAMES = ("mute", "deaf", "third")
MUTE, DEAF, THIRD = range(3)


@pytest.fixture
def cluster(machines: Machines, agents: Agents) -> list[Agent]:
    """An agent on each machine, which joins the first one."""
    for number, name in enumerate(NAMES):
        agents.start(
            name,
            listen=f"{machines.host(number)}:{PORT}",
            flags=["--join", f"{machines.host(MUTE)}:{PORT}"] if number else [],
            prefix=machines.prefix(number),
        )
    return agents.started


def view(machines: Machines, number: int) -> dict[str, str]:
    """The state of each member in the view of an agent."""
    rows = machines.get(number, PORT, "/members")["members"]
    return {row["name"]: row["state"] for row in rows}


def all_up(machines: Machines) -> bool:
    return all(view(machines, number) == dict.fromkeys(NAMES, "up") for number in range(3))


async def test_a_link_cut_in_one_direction_is_down_at_both_ends_and_nowhere_else(
    machines: Machines, cluster: list[Agent]
) -> None:
    await eventually(lambda: all_up(machines))

    machines.cut(MUTE, DEAF)
    began = monotonic()
    await eventually(lambda: view(machines, DEAF)["mute"] == "down", within=5 + SLACK)
    assert monotonic() - began > 2

    assert view(machines, DEAF) == {"mute": "down", "deaf": "up", "third": "up"}
    assert view(machines, THIRD) == dict.fromkeys(NAMES, "up")
    answer = machines.get(DEAF, PORT, "/stat/all?timeout=0.5")["nodes"]
    assert answer["mute"]["error"].startswith("down: ")
    assert answer["third"]["error"] == ""
    # The mute agent gets no answers either, though it still receives packets of the other.
    await eventually(lambda: view(machines, MUTE)["deaf"] == "down", within=5 + SLACK)
    assert view(machines, MUTE) == {"mute": "up", "deaf": "down", "third": "up"}

    machines.mend(MUTE, DEAF)
    await eventually(lambda: all_up(machines), within=20)
