"""One agent of a soak: the process that it is just now, where it is, and what it was told."""

import asyncio
import json
import random
import signal
import time
from pathlib import Path

from bench.harness.processes import AGENT, Child, free_ports
from bench.harness.proxy import Proxy
from nodnod_client.address import Address

STOP_LIMIT = 2.0
"""Seconds within which an agent that is told to stop must be gone."""


class AgentProcess:
    """``line`` is what others reach it through; without one they reach it where it listens.

    ``told`` are those whose addresses stand in its file.
    """

    used: set[int] = set()  # noqa: RUF012 - of all of them, so that nobody ever has another's
    """Ports that somebody has had: no other agent may be found where one is looked for."""

    def __init__(
        self, name: str, every: float, folder: Path, mode: str, line: Proxy | None = None
    ) -> None:
        self.name = name
        self.every = every
        self.line = line
        self.lock = asyncio.Lock()
        """Held by who makes the line bad."""
        self.told: set[AgentProcess] = set()
        self.expected = False
        """Whether its process may end, or be none, just now."""
        self.child: Child | None = None
        self._folder = folder
        self._mode = mode
        self._runs = 0
        self._debug = False
        self.address = Address("127.0.0.1", 0)
        self.move()

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    def advertised(self) -> str:
        """Where others are told to dial it."""
        return str(self.address) if self.line is None else self.line.address

    @property
    def up(self) -> bool:
        """Whether its process runs, and listens."""
        return self.child is not None and not self.expected

    @property
    def died(self) -> str:
        """How its process has ended by itself, in words; empty if it has not."""
        status = self.child.status if self.up and self.child is not None else None
        return "" if status is None else f"it died by itself, with status {status}"

    def move(self) -> None:
        """Have another port from the next start on."""
        port = self.address.port
        while port in self.used or not port:
            (port,) = free_ports(1)
        self.used.add(port)
        self.address = Address("127.0.0.1", port)
        if self.line is not None:
            self.line.target = str(self.address)

    def begin(self) -> None:
        """Start a process, and do not wait."""
        self.configure()
        flags = [f"--listen={self.address}", f"--name={self.name}", f"--config={self._config}"]
        if self.line is not None:
            flags.append(f"--advertise={self.line.address}")
        self._runs += 1
        log = self._folder / f"{self.name}-{self._runs}.log"
        self.child = Child(["-c", AGENT, *flags], self.address, log)

    async def listens(self) -> None:
        """Wait until its process accepts. Raises RuntimeError."""
        assert self.child is not None
        await asyncio.to_thread(self.child.wait_until_up)
        self.expected = False

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.child is not None
        self.expected = True
        self.child.kill()

    async def stop(self) -> str:
        """End it with SIGTERM; what is wrong with its end, in words."""
        assert self.child is not None
        self.expected = True
        began = time.monotonic()
        await asyncio.to_thread(self.child.stop)
        took, status = time.monotonic() - began, self.child.status
        if status == 0 and took < STOP_LIMIT + 0.5:
            return ""
        return f"told to stop, it ended after {took:.2f} s with status {status}"

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self.child is not None
        self.child.signal(number)

    def configure(self) -> None:
        """Write its file anew."""
        nodes = sorted(one.advertised for one in self.told)
        settings = {"nodes": nodes, "mode": self._mode, "interval": self.every}
        self._config.write_text(json.dumps({**settings, "debug": self._debug}))

    def reconfigure(self, others: "list[AgentProcess]", rng: random.Random) -> str:
        """Have it read a changed file; what has changed, in words."""
        self.told.add(rng.choice([one for one in others if one is not self]))
        self._debug = not self._debug  # only named in the log
        self.configure()
        self.signal(signal.SIGHUP)
        return f"nodes {', '.join(sorted(one.name for one in self.told))}; debug {self._debug}"

    def misconfigure(self, rng: random.Random) -> str:
        """Have it read a file that is wrong; how, in words."""
        text = rng.choice(['{"nodes": [', '{"nodes": 7}', '{"mode": "shove"}', "", "\x00" * 100])
        self._config.write_text(text)
        self.signal(signal.SIGHUP)
        return repr(text[:20])

    def logs(self) -> str:
        """What all its processes have said."""
        return "".join(
            path.read_text(errors="replace")
            for path in sorted(self._folder.glob(f"{self.name}-*.log"))
        )

    def told_to_end(self) -> None:
        """Have it end, whatever state it is in; ``end`` waits for that."""
        self.expected = True
        if self.child is not None:
            self.child.terminate()
            self.child.signal(signal.SIGCONT)

    def end(self) -> None:
        """It is gone after this."""
        if self.child is not None:
            self.child.stop()

    @property
    def _config(self) -> Path:
        return self._folder / f"{self.name}.json"
