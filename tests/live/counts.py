"""The counters of an agent, from its metrics."""

from bench.harness.agents import Agent
from live.web import fetch


async def counts(agent: Agent) -> dict[str, float]:
    """The metrics of an agent, by name and labels as they stand there."""
    page = await fetch(agent.port, "/metrics")
    lines = page.body.decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
