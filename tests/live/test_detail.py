"""Detail sections, from real agents."""

import asyncio
from typing import Any

import msgspec
import pytest

from bench.harness.agents import Agent, Agents
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask
from live.counts import counts
from nodnod_client.sections import EXPENSIVE, SECTIONS, SHAPES

NAMES = ("cartman", "kenny")
INTERVAL = 0.25
LOOK = 'nodnod_collector_duration_seconds{collector="processes"}'
"""What the newest look at the processes took; there is none before the first."""


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


async def test_costly_sections_are_not_sampled_before_somebody_asks(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "every": INTERVAL, "id": 1})
        await client.receive(3)

    looks = [name for name in await counts(cartman) if name.startswith("nodnod_collector_dur")]

    assert looks
    assert not [name for name in looks if any(f'"{costly}"' in name for costly in EXPENSIVE)]


async def test_every_section_comes_from_every_node_in_its_shape(cartman: Agent) -> None:
    for detail in await details(cartman, *SECTIONS):
        assert set(detail) == SECTIONS
        for name, section in detail.items():
            if section is not None:
                msgspec.convert(section, SHAPES[name])


async def test_what_every_linux_has_is_not_null(cartman: Agent) -> None:
    always = ("system", "cpu", "load", "memory", "filesystems", "network", "processes")

    for detail in await details(cartman, *always):
        assert [name for name in always if not detail[name]] == []


async def test_the_processes_are_the_first_fifteen_and_the_agent_is_among_them_all(
    cartman: Agent,
) -> None:
    (_, kenny) = await details(cartman, "processes")
    processes = msgspec.convert(kenny["processes"], SHAPES["processes"])

    assert processes.count >= 3
    for rows in (processes.by_cpu, processes.by_memory):
        assert len(rows) == min(15, processes.count)
    assert processes.by_cpu == sorted(processes.by_cpu, key=lambda row: -row.cpu)
    assert processes.by_memory == sorted(processes.by_memory, key=lambda row: -row.rss)


async def test_a_question_names_its_sections_and_gets_no_others(cartman: Agent) -> None:
    for detail in await details(cartman, "load", "cpu", "load", statType=1):
        assert list(detail) == ["cpu", "load"]


async def test_detail_is_no_part_of_an_answer_that_did_not_ask_for_it(cartman: Agent) -> None:
    await details(cartman, "load")

    answer = await ask(cartman, {"type": 1})

    assert not any("detail" in node for node in answer["nodes"].values())


async def test_an_unknown_section_is_refused_by_name(cartman: Agent) -> None:
    answer = await ask(cartman, {"detail": ["cpu", "weather"]})

    assert (answer["code"], answer["nodes"]) == ("unknown_section", {})
    assert "'weather'" in answer["error"]


async def test_sections_that_are_asked_for_in_a_rush_are_waited_for_once(cartman: Agent) -> None:
    answers = await asyncio.gather(*(details(cartman, "processes") for _ in range(5)))

    assert {len(detail["processes"]["byCpu"]) > 0 for both in answers for detail in both} == {True}


async def test_the_processes_are_sampled_while_somebody_listens_and_not_for_long_after(
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
