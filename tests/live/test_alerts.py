"""Alerts of real agents, as clients of any of them see them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from eventually import eventually
from live.access import Secret
from live.asking import ask
from live.web import fetch
from nodnod_agent.console.main import main
from nodnod_client import Client, StatFailedError

NAMES = ("cartman", "kenny", "stan")
RULES = [
    {"name": "used", "metric": "memoryUsedPercent", "above": 0, "for": 0, "nodes": ["kenny"]},
    {"name": "down", "for": 0},
]
Capture = pytest.CaptureFixture[str]


async def firing(agent: Agent, **fields: Any) -> list[str]:
    """Node and rule of each alert that fires, as an agent sees it."""
    answer = await ask(agent, {"type": 5, **fields})
    return [f"{one['node']} {one['rule']}" for one in answer["alerts"] if one["state"] == "firing"]


async def all_see(agents: list[Agent], *alerts: str) -> None:
    seen: dict[str, list[str]] = {}

    async def look() -> bool:
        seen.update({agent.name: await firing(agent) for agent in agents})
        return all(found == list(alerts) for found in seen.values())

    await eventually(look, why=lambda: seen)


async def command(agent: Agent, *argv: str) -> int:
    return await asyncio.to_thread(main, [*argv, "--server", agent.address])


async def test_an_alert_is_seen_at_every_agent_in_every_way(
    agents: Agents, capsys: Capture
) -> None:
    cartman, kenny, stan = await agents.cluster(*NAMES, settings={"alerts": {"rules": RULES}})
    await all_see([cartman, kenny, stan], "kenny used")

    assert await firing(cartman, nodes=["s*"]) == []
    page = json.loads((await fetch(stan.port, "/alerts?nodes=kenny")).body)
    assert [one["rule"] for one in page["alerts"]] == ["used"]
    series = b'nodnod_alert{node="kenny",object="",rule="used",severity="warning"} 1.0'
    assert series in (await fetch(stan.port, "/metrics/cluster")).body
    assert series in (await fetch(kenny.port, "/metrics")).body
    assert series not in (await fetch(stan.port, "/metrics")).body
    assert await command(cartman, "alerts") == 1
    assert "kenny" in capsys.readouterr().out
    events = (await ask(cartman, {"type": 7, "nodes": ["kenny"]}))["events"]
    assert [one["kind"] for one in events if one["kind"].startswith("alert")] == ["alert-fired"]

    kenny.kill()
    await all_see([cartman, stan], "kenny down", "kenny used")
    assert await command(stan, "alerts") == 2

    # A silence that one agent takes is known to the others.
    assert await command(cartman, "silence", "kenny", "--for", "2h", "--reason", "new disk") == 0
    async with Client(stan.address) as client:
        await eventually(client.silences)
        (silence,) = await client.silences()
        assert (silence.node, silence.reason, silence.by) == ("kenny", "new disk", "cartman")
        assert all(one.silenced for one in (await client.alerts()).alerts)
        assert await command(stan, "alerts") == 0
        await client.end_silence(silence.id)
        assert not any(one.silenced for one in (await client.alerts()).alerts)

    async def ended() -> bool:
        return await command(cartman, "alerts", "kenny") == 2

    await eventually(ended)
    await kenny.restart()
    await whole(stan, *NAMES)
    await all_see([cartman, kenny, stan], "kenny used")
    events = (await ask(kenny, {"type": 7, "nodes": ["kenny"]}))["events"]
    assert [one["text"].partition(":")[0] for one in events if one["kind"] == "alert-cleared"] == [
        "down"
    ]


async def test_silences_take_a_token_that_operates(agents: Agents, tmp_path: Path) -> None:
    secret = Secret(tmp_path)
    agent = agents.start("kenny", settings=secret.settings())

    async with Client(agent.address, token=secret.token()) as reader:
        assert await reader.silences() == []
        with pytest.raises(StatFailedError, match="role `operate`") as refused:
            await reader.silence(seconds=60)
        assert refused.value.code == "forbidden"
    async with Client(agent.address, token=secret.tokens.mint("operate", 60, "kyle")) as operator:
        silence = await operator.silence("kenny", seconds=60)
        assert silence.by == "kyle"
        assert (await operator.stat()).nodes.keys() == {"kenny"}
        await operator.end_silence(silence.id)
        assert await operator.silences() == []
