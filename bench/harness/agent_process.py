"""An agent of a soak: the process that it is now, where it is, and what it was told."""

import asyncio
import random
import signal
import time
from pathlib import Path

from bench.harness.agents import Agent
from bench.harness.processes import STOP_LIMIT, free_ports
from bench.harness.proxy import Proxy

STOPPED_WITHIN = 2.5
"""Seconds within which an agent that is told to stop must be gone."""


class AgentProcess(Agent):
    """``line`` is what others reach it through; without one they reach it where it listens.

    ``told`` are those whose addresses stand in its file, ``every`` is its interval in seconds.
    """

    used: set[int] = set()  # noqa: RUF012 - of all of them, so that none ever has another's
    """Ports that an agent has had: no other agent may be found where one is looked for."""

    def __init__(
        self, name: str, every: float, folder: Path, mode: str, line: Proxy | None = None
    ) -> None:
        self.every = every
        self.line = line
        self.lock = asyncio.Lock()
        """Held while a fault makes the line bad."""
        self.told: set[AgentProcess] = set()
        self.expected = False
        """Whether its process may end, or be none, at the moment."""
        self._mode = mode
        self._debug = False
        super().__init__(folder, name)
        if line is not None:
            self.flags = ["--advertise", line.address]
        self.move()

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    def advertised(self) -> str:
        """Where others are told to dial it."""
        return self.address if self.line is None else self.line.address

    @property
    def up(self) -> bool:
        """Whether its process runs, and listens."""
        return self.process is not None and not self.expected

    @property
    def died(self) -> str:
        """How its process has ended by itself, in words; empty if it has not."""
        status = self.status if self.up else None
        return "" if status is None else f"it died by itself, with status {status}"

    def move(self) -> None:
        """Have another port from the next start on."""
        while self.port in self.used or not self.port:
            (self.port,) = free_ports(1)
        self.used.add(self.port)
        self.listen = f"127.0.0.1:{self.port}"
        if self.line is not None:
            self.line.target = self.listen

    def begin(self) -> None:
        """Start a process, and do not wait."""
        self._write()
        self.start()

    async def listens(self) -> None:
        """Wait until its process accepts. Raises RuntimeError."""
        await asyncio.to_thread(self.listening)
        self.expected = False

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.expected = True
        super().kill()

    async def stop(self) -> str:
        """End it with SIGTERM; what is wrong with its end, in words."""
        self.expected = True
        began = time.monotonic()
        await asyncio.to_thread(self.terminate)
        took = time.monotonic() - began
        if self.status == 0 and took < STOPPED_WITHIN:
            return ""
        return f"told to stop, it ended after {took:.2f} s with status {self.status}"

    def reconfigure(self, others: "list[AgentProcess]", rng: random.Random) -> str:
        """Have it read a changed file; what has changed, in words."""
        self.told.add(rng.choice([one for one in others if one is not self]))
        self._debug = not self._debug  # only named in the log
        self._write()
        self.signal(signal.SIGHUP)
        return f"nodes {', '.join(sorted(one.name for one in self.told))}; debug {self._debug}"

    def misconfigure(self, rng: random.Random) -> str:
        """Have it read a file that is wrong; how, in words."""
        text = rng.choice(['{"nodes": [', '{"nodes": 7}', '{"mode": "shove"}', "", "\x00" * 100])
        self.config.write_text(text)
        self.signal(signal.SIGHUP)
        return repr(text[:20])

    def told_to_end(self) -> None:
        """Have it end, whatever state it is in; ``end`` waits for that."""
        self.expected = True
        if self.process is not None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)

    def end(self) -> None:
        """Wait for its end, and kill it where it does not."""
        self.terminate(STOP_LIMIT)

    def _write(self) -> None:
        """Write its configuration file anew."""
        nodes = sorted(one.advertised for one in self.told)
        settings = {"mode": self._mode, "interval": self.every, "debug": self._debug}
        self.configure(nodes=nodes, **settings)
