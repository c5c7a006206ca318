"""How many Python functions an agent calls for one request."""

import asyncio
import re
import signal
from itertools import pairwise
from statistics import median

from bench.harness.agents import Agent
from bench.harness.caller import requesters
from bench.harness.load import LoadGenerator, Plan, request_text
from nodnod_client.errors import ConnectError

COUNTED = 200
"""Requests from one count to the next; meanwhile timers add a fraction of a call to each."""

COUNTS = 6
"""The first is for a start, with the connection."""

_LINE = re.compile(r"^calls: (\d+)$", re.MULTILINE)


async def calls_per_request(agent: Agent, plan: Plan) -> float:
    """The calls for one request of a client that sends one at a time; the median of some counts.

    The agent must run under call_counter.py. Raises ConnectError, also where an answer is wrong.
    """
    load = LoadGenerator(plan)  # only checks the answers
    text = request_text(plan)
    totals = []
    async with requesters([agent.endpoint]) as [requester]:
        for _ in range(COUNTS):
            for _ in range(COUNTED):
                load.check(await asyncio.wait_for(requester.ask(text), plan.timeout))
            totals.append(calls(agent))
    if load.outcome.failed or load.outcome.invalid:
        raise ConnectError(f"{agent.endpoint}: an answer failed or was invalid")
    return median(after - before for before, after in pairwise(totals)) / COUNTED


def calls(agent: Agent) -> int:
    """All calls of an agent so far, as it writes them to its log."""
    known = len(_LINE.findall(agent.log()))
    agent.signal(signal.SIGUSR1)
    agent.wait_until(lambda: len(_LINE.findall(agent.log())) > known)
    return int(_LINE.findall(agent.log())[-1])
