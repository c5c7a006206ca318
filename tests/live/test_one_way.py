"""Three machines, and a network that loses all that one of them says to one other."""

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
    """An agent on each machine, told of the first one alone."""
    for number, name in enumerate(NAMES):
        agents.start(
            name,
            listen=f"{machines.host(number)}:{PORT}",
            flags=["--join", f"{machines.host(MUTE)}:{PORT}"] if number else [],
            prefix=machines.prefix(number),
        )
    return agents.started


def view(machines: Machines, number: int) -> dict[str, str]:
    """Whom an agent sees how: what it tells as type 3."""
    rows = machines.get(number, PORT, "/members")["members"]
    return {row["name"]: row["state"] for row in rows}


def all_up(machines: Machines) -> bool:
    return all(view(machines, number) == dict.fromkeys(NAMES, "up") for number in range(3))


async def test_who_cannot_be_heard_is_down_there_within_five_seconds_and_nowhere_else(
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
    # Nor can the mute one get an answer: that it heard the other still was no answer to anything.
    await eventually(lambda: view(machines, MUTE)["deaf"] == "down", within=5 + SLACK)
    assert view(machines, MUTE) == {"mute": "up", "deaf": "down", "third": "up"}

    machines.mend(MUTE, DEAF)
    await eventually(lambda: all_up(machines), within=20)
