"""A handler that writes down what a backplane reports, and the parts of a backplane to test."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from nodnod_agent.backplane.access import read_access
from nodnod_agent.backplane.nats import NatsBackplane
from nodnod_agent.config.settings import Settings
from nodnod_agent.net.dns import Lookup

LIMIT = 30.0


class Recorder:
    """Keeps reports in order; ``next`` waits for one."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    def connected(self) -> None:
        self._add("connected")

    def disconnected(self, reason: str) -> None:
        self._add("disconnected", reason)

    def received(self, subject: str, data: bytes, reply: str) -> None:
        self._add("received", subject, data.decode(), reply)

    def unheard(self, subject: str) -> None:
        self._add("unheard", subject)

    async def next(self) -> tuple[str, ...]:
        """The next report."""
        async with asyncio.timeout(LIMIT):
            return await self.reports.get()

    async def reason(self) -> str:
        """The reason of the next report, which must be that of a loss."""
        kind, *rest = await self.next()
        assert kind == "disconnected", (kind, *rest)
        return rest[0]

    def _add(self, *report: str) -> None:
        self.reports.put_nowait(report)


def backplane(environment: Mapping[str, str] | None = None, **settings: Any) -> NatsBackplane:
    """A backplane with these settings, which is not started."""
    access = read_access(Settings(name="kyle", **settings), environment or {})
    assert access is not None
    loop = asyncio.get_running_loop()
    return NatsBackplane(access, loop=loop, look_up=Lookup(loop), rng=random.Random(1))
