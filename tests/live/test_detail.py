"""Detail sections, from real agents."""

import glob
import os
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask
from live.web import counts
from nodnod_client.sections import EXPENSIVE, SECTIONS, SHAPES, Processes

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
    on_demand = EXPENSIVE - {"sensors"}  # which a built-in rule of alerts reads now and then
    assert not [name for name in looks if any(f'"{expensive}"' in name for expensive in on_demand)]


async def test_every_node_has_every_section_in_its_shape(cartman: Agent) -> None:
    always = ("system", "cpu", "load", "memory", "filesystems", "network", "processes")

    for detail in await details(cartman, *SECTIONS):
        assert [name for name in always if not detail[name]] == []
        assert set(detail) == SECTIONS
        for name, section in detail.items():
            if section is not None:
                msgspec.convert(section, SHAPES[name])


async def test_custom_files_are_in_the_section_and_on_both_pages_of_metrics(
    agents: Agents, tmp_path: Path
) -> None:
    directory = tmp_path / "numbers"
    directory.mkdir()
    (directory / "a.prom").write_text('jobs{queue="mail"} 3\n')
    (directory / "b.json").write_text('{"backup_age": 12, "broken": "x"}')
    settings = {"interval": INTERVAL, "custom": {"directory": str(directory)}}
    one, two = agents.mesh({"one": settings, "two": None})
    await whole(two, "one", "two")

    own = await counts(one)
    assert own['jobs{queue="mail"}'] == 3
    nodes = (await ask(two, {"type": 1, "detail": ["custom"]}))["nodes"]
    section = nodes["one"]["detail"]["custom"]
    assert [file["name"] for file in section["files"]] == ["a.prom", "b.json"]
    assert section["files"][1]["error"] == "broken is no finite number"
    assert [number["name"] for number in section["numbers"]] == ["jobs", "backup_age"]
    assert nodes["two"]["detail"]["custom"] is None
    page = await counts(two, "/metrics/cluster?detail=custom")
    assert page['jobs{node="one",queue="mail"}'] == 3
    assert page['nodnod_custom_file_faulty{file="b.json",node="one"}'] == 1


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


async def test_a_pattern_finds_processes_on_every_node(cartman: Agent) -> None:
    name = psutil.Process().name()
    own = glob.escape(name)
    for detail in await details(cartman, "processes", "load", match=own[:-1] + "*"):
        section = msgspec.convert(detail["processes"], Processes)
        found, matching = section.sums, section.matching
        assert found
        assert matching
        assert section.by_cpu == section.by_memory == section.by_io == []
        assert os.getpid() in {row.pid for row in matching}
        assert found.rss >= psutil.Process().memory_info().rss / 2
        assert detail["load"]

    for detail in await details(cartman, "processes", match="no such process"):
        assert detail["processes"]["sums"]["count"] == 0
    for detail in await details(cartman, "processes"):
        assert "matching" not in detail["processes"]
