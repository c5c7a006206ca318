"""The view of the cluster that agents have (type 3), and whether their answers agree (type 1)."""

from collections.abc import Iterable
from typing import Any

from bench.harness.agents import Agent
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask


async def members(agent: Agent) -> dict[str, dict[str, Any]]:
    """The rows of its view by address."""
    return {row["address"]: row for row in (await ask(agent, {"type": 3}))["members"]}


async def all_see(
    agents: Iterable[Agent], *, within: float = 40.0, left: Iterable[str] = (), **states: str
) -> None:
    """Wait until all of them have this view, ``name=state``, and answer for exactly these nodes.

    ``left`` are names of nodes that have left: they are in the view, and in no answer.
    """
    expected = sorted([*states.items(), *((name, "left") for name in left)])
    down = {name: state == "down" for name, state in states.items()}
    for agent in agents:
        await _sees(agent, expected, down, within)


async def _sees(
    agent: Agent, expected: list[tuple[str, str]], down: dict[str, bool], within: float
) -> None:
    seen: object = None

    async with V1Client(agent.address) as client:

        async def look() -> bool:
            nonlocal seen
            await client.send({"type": 3}, {"type": 1, "timeout": 0.5})
            view, answer = await client.receive(2)
            states = sorted((row["name"], row["state"]) for row in view["members"])
            errors = {name: node["error"] for name, node in answer["nodes"].items()}
            seen = (agent.name, states, errors)
            return states == expected and {n: bool(e) for n, e in errors.items()} == down

        await eventually(look, within=within, why=lambda: seen)
