"""Requests to real agents: one answer, and a reload of the configuration."""

import re
import signal
from typing import Any

from bench.harness.agents import Agent
from doubles.v1_client import V1Client
from eventually import eventually


async def ask(agent: Agent, request: dict[str, Any] | str) -> dict[str, Any]:
    """One answer to one request, over a connection of its own."""
    async with V1Client(agent.address) as client:
        await client.send(request)
        return (await client.receive())[0]


def errors(answer: dict[str, Any]) -> dict[str, str]:
    """The error of each node in an answer; empty where there is none."""
    return {name: node["error"] for name, node in answer["nodes"].items()}


async def reload(agent: Agent) -> str:
    """Have an agent read its configuration again; gives what it logs until it has."""
    before = len(agent.log())
    agent.signal(signal.SIGHUP)
    await eventually(lambda: re.search("onfiguration (not )?reloaded", agent.log()[before:]))
    return agent.log()[before:]
