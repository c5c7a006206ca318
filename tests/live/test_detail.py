"""Detail sections, from real agents."""

from typing import Any

import msgspec
import pytest

from bench.harness.agents import Agent, Agents
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask
from live.web import counts
from nodnod_client.sections import EXPENSIVE, SECTIONS, SHAPES

NAMES = ("cartman", "kenny")
INTERVAL = 0.25
LOOK = 'nodnod_collector_duration_seconds{collector="processes"}'
"""How long the newest reading of the processes took; absent before the first."""


@pytest.fixture
async def cartman(shared_agents: Agents) -> Agent:
    """One of two agents."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES, settings={"interval": INTERVAL})
    return shared_agents.started[0]


async def details(agent: Agent, *sections: str, **fields: Any) -> list[dict[str, Any]]:
    """The detail of each node."""
    answer = await ask(agent, {"type": 1, "detail": sections, "timeout": 5, **fields})
    assert list(answer["nodes"]) == list(NAMES)
    return [node["detail"] for node in answer["nodes"].values()]


async def test_sections_on_demand_are_not_sampled_before_a_request(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "every": INTERVAL, "id": 1})
        await client.receive(3)

    looks = [name for name in await counts(cartman) if name.startswith("nodnod_collector_dur")]

    assert looks
    assert not [name for name in looks if any(f'"{expensive}"' in name for expensive in EXPENSIVE)]


async def test_every_node_has_every_section_in_its_shape(cartman: Agent) -> None:
    always = ("system", "cpu", "load", "memory", "filesystems", "network", "processes")

    for detail in await details(cartman, *SECTIONS):
        assert [name for name in always if not detail[name]] == []
        assert set(detail) == SECTIONS
        for name, section in detail.items():
            if section is not None:
                msgspec.convert(section, SHAPES[name])


async def test_processes_are_sampled_while_a_stream_wants_them_and_shortly_after(
    cartman: Agent,
) -> None:
    async def look() -> float | None:
        return (await counts(cartman)).get(LOOK)

    async with V1Client(cartman.address) as client:
        await client.send({"every": INTERVAL, "detail": ["processes"], "id": 1})
        await client.receive()
        first = await look()

        async def another() -> bool:
            return await look() != first

        await eventually(another)

    async def forgotten() -> bool:
        return "nodnod_processes" not in await counts(cartman)

    assert not await forgotten()
    await eventually(forgotten, within=7)
    last = await look()
    async with V1Client(cartman.address) as client:
        await client.send({"every": INTERVAL, "detail": ["load"], "id": 1})
        await client.receive(4)
    assert await look() == last
