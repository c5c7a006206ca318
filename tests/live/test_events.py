"""What real agents say has happened, and ``nodnod events``."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.harness.agents import Agent, Agents
from eventually import eventually
from live.asking import ask, reload
from live.web import fetch
from nodnod_agent.console.main import main

NAMES = ("cartman", "kenny", "stan")


async def happenings(agent: Agent, **fields: Any) -> list[str]:
    """The events that an agent knows: node and kind of each."""
    answer = await ask(agent, {"type": 7, **fields})
    assert answer["error"] == ""
    return without_alerts(answer["events"])


def without_alerts(events: list[dict[str, Any]]) -> list[str]:
    """Node and kind of each event, but of those about alerts: the machine may have any."""
    found = [event for event in events if not event["kind"].startswith("alert-")]
    return [f"{event['node']} {event['kind']}" for event in found]


async def begun(agents: Agents) -> list[Agent]:
    """Three agents that have all told of their start."""
    cluster = await agents.cluster(*NAMES)
    for agent in cluster:
        await eventually(lambda agent=agent: told(agent))  # type: ignore[misc]
    return cluster


async def told(agent: Agent) -> bool:
    return sorted(await happenings(agent)) == [f"{name} joined" for name in NAMES]


async def all_end_with(agents: list[Agent], *last: str) -> None:
    """Wait until the events of all end with these."""
    seen: dict[str, list[str]] = {}

    async def look() -> bool:
        seen.update({agent.name: await happenings(agent) for agent in agents})
        return all(events[-len(last) :] == list(last) for events in seen.values())

    await eventually(look, why=lambda: seen)


async def test_a_kill_a_restart_a_stop_and_a_reload_are_events_of_all(agents: Agents) -> None:
    cartman, kenny, stan = cluster = await begun(agents)

    kenny.kill()
    await kenny.restart()
    await all_end_with(cluster, "kenny restarted")

    kenny.kill()
    await all_end_with([cartman, stan], "kenny restarted", "kenny down")
    await kenny.restart()
    await all_end_with(cluster, "kenny down", "kenny restarted")

    stan.configure(nodes=[], limits={"inFlight": 8})
    await reload(stan)
    await all_end_with(cluster, "kenny restarted", "stan reloaded")
    answer = await ask(cartman, {"type": 7, "nodes": ["st*"]})
    texts = [event["text"] for event in answer["events"]]
    assert "changed: nodes; needs a restart: limits.inFlight" in texts
    stan.config.write_text('{"nods": []}')
    await reload(stan)
    await all_end_with(cluster, "stan reloaded", "stan reloaded")
    assert (await happenings(kenny, nodes=["cart*"])) == ["cartman joined"]

    await stan.stopped()
    await all_end_with([cartman, kenny], "stan reloaded", "stan left")
    page = json.loads((await fetch(cartman.port, "/events?nodes=stan,kenny")).body)
    assert without_alerts(page["events"])[-1] == "stan left"
    assert page["host"] == "cartman"


async def test_the_command_follows_what_happens_and_survives_the_loss_of_its_agent(
    agents: Agents, tmp_path: Path
) -> None:
    cartman, kenny, _ = await begun(agents)
    log = tmp_path / "events"
    command = [sys.executable, "-m", "nodnod_agent.console.main", "events", "--follow", "--json"]
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, "--server", cartman.address, stdout=out, stderr=subprocess.DEVNULL
        )

    def lines() -> list[str]:
        whole_lines = log.read_text().rpartition("\n")[0].splitlines()
        return without_alerts([json.loads(line) for line in whole_lines])

    try:
        await eventually(lambda: len(lines()) == 3, why=log.read_text)
        await kenny.stopped()
        await eventually(lambda: lines()[3:] == ["kenny left"], why=log.read_text)
        cartman.kill()
        cartman.listen = cartman.address
        await cartman.restart()
        # Where its start took more than five seconds, stan has written that it was down.
        await eventually(lambda: lines()[-1:] == ["cartman restarted"], why=log.read_text)
        assert [line for line in lines()[4:] if line != "cartman down"] == ["cartman restarted"]
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_the_command_prints_a_line_for_each_event(agents: Agents, capsys: Any) -> None:
    cartman, *_ = await begun(agents)
    flags = ("--server", cartman.address)

    assert await asyncio.to_thread(main, ["events", "kenny", "--since", "1h", *flags]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line[19:].startswith("  kenny         joined         version 2.")
    assert await asyncio.to_thread(main, ["events", "--json", *flags]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["host"], document["error"]) == ("cartman", "")
    assert len(without_alerts(document["events"])) == 3
