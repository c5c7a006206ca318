"""What it costs agents to dial and to be dialed: CPU of both sides for one link that comes up.

    python bench/dials.py [--rate 20] [--seconds 10]

Dials an agent of its own as another agent does, at the rate at which agents heal, and keeps the
connections. Once without authentication, once with a secret, once with a secret and TLS.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from bench.harness.agents import Agent, Agents
from bench.harness.caller import run
from bench.harness.certificate import make_certificate
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import print_table
from bench.harness.usage import MainThreadMeter
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.membership.dial_queue import DIALS_PER_SECOND
from nodnod_agent.net.dns import Lookup
from nodnod_agent.transport.dialer import DialAttempt
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.peer_connection import DialContext
from nodnod_client.tls import client_context

SECRET = "0123456789abcdef" * 4
PAUSE = 2.0
"""Seconds from the start of an agent until it is idle."""

HEAD = ("", "dials", "dialing, ms of CPU each", "being dialed, ms of CPU each", "both at this rate")


class _Links:
    """The links that came up, and why others did not; ``settled`` once all ``count`` have."""

    def __init__(self, count: int) -> None:
        self.wires: list[Wire] = []
        self.refusals: list[str] = []
        self.settled = asyncio.Event()
        self._count = count

    def opened(self, wire: Wire, _: Hello) -> None:
        self.wires.append(wire)
        self._check()

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)
        self._check()

    def _check(self) -> None:
        if len(self.wires) + len(self.refusals) == self._count:
            self.settled.set()

    def received(self, text: bytes) -> None:
        pass

    def ended(self, reason: str) -> None:
        self.refusals.append(reason)


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "rate", positive, DIALS_PER_SECOND, "dials a second")
    flag(parser, "seconds", seconds, 10.0, "seconds of each measurement")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder:
        secret = Path(folder) / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        auth = {"auth": {"secrets": [f"file:{secret}"]}}
        tls = {"tls": make_certificate(Path(folder))}
        kinds: dict[str, dict[str, Any]] = {
            "without authentication": {},
            "with a secret": auth,
            "with a secret and TLS": auth | tls,
        }
        with Agents(Path(folder)) as agents:
            for number, (kind, settings) in enumerate(kinds.items()):
                agent = agents.start(f"node-{number}", settings=settings)
                figures = run(dial(agent, settings, options.rate, options.seconds))
                rows.append([kind, *figures])
    print_table(HEAD, rows)


async def dial(agent: Agent, settings: dict[str, Any], rate: int, span: float) -> list[str]:
    """Dial at this rate, and measure this process and the agent; what both do when idle is not counted."""
    loop = asyncio.get_running_loop()
    context = DialContext(
        loop=loop,
        queue=FairQueue(loop),
        hello=Hello(2, "dialer", "an instance"),
        look_up=Lookup(loop),
        tokens=Tokens([SECRET.encode()]) if "auth" in settings else None,
        tls=client_context(settings["tls"]["ca"]) if "tls" in settings else None,
    )
    count = round(rate * span)
    links = _Links(count)
    await asyncio.sleep(PAUSE)
    meters = [MainThreadMeter(os.getpid()), MainThreadMeter(agent.pid)]
    await asyncio.sleep(span)
    idle = [meter.seconds() for meter in meters]
    began = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        DialAttempt(context, agent.endpoint, links)
    await links.settled.wait()
    busy = [meter.seconds() for meter in meters]
    if links.refusals:
        raise RuntimeError(f"{len(links.refusals)} of {count} links failed: {links.refusals[0]}")
    for wire in links.wires:
        wire.abort()
    each = [(a - b) / count for a, b in zip(busy, idle, strict=True)]
    return [str(count), *(f"{1000 * one:.2f}" for one in each), f"{100 * rate * sum(each):.1f} %"]


if __name__ == "__main__":
    run_program(main)
