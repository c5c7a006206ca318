"""One answer of a real agent, and what it says."""

from typing import Any

from bench.harness.agents import Agent
from doubles.v1_client import V1Client


async def ask(agent: Agent, request: dict[str, Any] | str) -> dict[str, Any]:
    """One answer to one request, over a connection of its own."""
    async with V1Client(agent.address) as client:
        await client.send(request)
        return (await client.receive())[0]


def errors(answer: dict[str, Any]) -> dict[str, str]:
    """The error of each node in an answer; empty where there is none."""
    return {name: node["error"] for name, node in answer["nodes"].items()}
