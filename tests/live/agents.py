"""Real agent processes on loopback: started, watched through their log, and ended for sure."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from doubles.v1_client import V1Client
from eventually import eventually

COMMAND = [sys.executable, "-m", "nodnod_agent.cli"]

START_LIMIT = 30.0
"""Seconds until an agent must listen; a machine that runs tests may be busy."""

_LISTENING = re.compile(r"Starting NodNod websocket server: \[.* : (\S+):(\d+)\]")
_PREFIX = re.compile(r"^\S+ (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


class Agent:
    """One agent process. ``settings`` go into its configuration file as they are.

    ``flags`` are further ones of its command line, ``prefix`` a command to run it with. Its log is
    a file, or what ``stderr`` says instead; its files are called after ``label``, or its name.
    ``max_files`` is its limit of open files, or the soft and the hard one.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        listen: str = "127.0.0.1:0",
        nodes: Iterable[str] = (),
        settings: Mapping[str, object] | None = None,
        flags: Sequence[str] = (),
        prefix: Sequence[str] = (),
        label: str = "",
        max_files: int | tuple[int, int] | None = None,
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self.flags = flags
        self.port = 0
        self.listen = listen
        self._prefix = prefix
        self._max_files = max_files
        self._stderr = stderr
        self._log = directory / f"{label or name}.log"
        self._log.touch()
        self.config = directory / f"{label or name}.json"
        self.configure(**{"nodes": list(nodes), **(settings or {})})
        self._began = 0
        self.over = False
        """The test has killed it, or waited for its end."""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it can be asked."""
        return f"[::1]:{self.port}" if self.listen.startswith("[") else f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def configure(self, **settings: object) -> None:
        """Write its configuration file anew; it is read at the start and on SIGHUP."""
        self.config.write_text(json.dumps({"mode": "pull", **settings}))

    def start(self) -> None:
        """Start the process; ``listening`` waits until it can be asked."""
        self._began = self._log.stat().st_size
        self.over = False
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NODNOD_")}
        options = ["--name", self.name, "--config", str(self.config)]
        options += ["--listen", self.listen] if self.listen else []
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, *COMMAND, *options, *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if self._stderr is None else self._stderr,
                env=environment,
                preexec_fn=self._limit_files if self._max_files else None,
            )

    def listening(self) -> None:
        """Wait until it listens, and learn where. Raises AssertionError."""
        assert self.process is not None
        deadline = time.monotonic() + START_LIMIT
        while self.process.poll() is None and time.monotonic() < deadline:
            found = _LISTENING.search(self.log()[self._began :])
            if found is not None:
                self.port = int(found[2])
                return
            time.sleep(0.005)
        raise AssertionError(f"{self.name} does not listen:\n{self.log()}")

    def log(self) -> str:
        return self._log.read_text()

    def messages(self) -> list[str]:
        """The lines of its log without time and level."""
        return [_PREFIX.sub("", line) for line in self.log().splitlines()]

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def exited(self, *, within: float = 20.0) -> int:
        """Wait until the process is gone; its exit status."""
        process = self.process
        assert process is not None
        self.over = True
        await eventually(lambda: process.poll() is not None, within=within)
        assert process.returncode is not None
        return process.returncode

    def kill(self) -> None:
        """End it the hard way, and wait for that."""
        if self.process is not None:
            self.over = True
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        """CPU time that it has used until now."""
        # The name in the second field may hold spaces, so count from its end.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak_bytes(self) -> int:
        """The most memory that it has had, since its start or since ``forget_peak``."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _limit_files(self) -> None:
        assert self._max_files is not None
        limits = self._max_files
        both = limits if isinstance(limits, tuple) else (limits, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, both)


class Agents:
    """Starts agents, and ends them all with it; none may have logged a traceback by then."""

    def __init__(self, directory: Path) -> None:
        self.started: list[Agent] = []
        self._directory = directory

    def start(self, name: str, **options: Any) -> Agent:
        """Start one agent (see ``Agent``) and wait until it listens."""
        agent = self.begin(name, **options)
        agent.listening()
        return agent

    def begin(self, name: str, **options: Any) -> Agent:
        """Start one agent and wait for nothing."""
        agent = Agent(self._directory, name, **options)
        self.started.append(agent)
        agent.start()
        return agent

    async def cluster(
        self, *names: str, settings: Mapping[str, object] | None = None
    ) -> list[Agent]:
        """Start agents that know each other, and wait until each answers for all."""
        nodes = [f"127.0.0.1:{port}" for port in free_ports(len(names))]
        agents = [
            self.begin(name, listen=node, nodes=nodes, settings=settings)
            for name, node in zip(names, nodes, strict=True)
        ]
        for agent in agents:
            agent.listening()
        for agent in agents:
            await whole(agent, *names)
        return agents

    def end(self) -> None:
        """Kill what is left; raises AssertionError where a log holds a traceback."""
        for agent in self.started:
            agent.kill()
        for agent in self.started:
            assert "Traceback" not in agent.log(), f"log of {agent.name}:\n{agent.log()}"


async def ask(agent: Agent, request: dict[str, Any] | str) -> dict[str, Any]:
    """One answer to one request, over a connection of its own."""
    async with V1Client(agent.address) as client:
        await client.send(request)
        return (await client.receive())[0]


def errors(answer: dict[str, Any]) -> dict[str, str]:
    """What each node in an answer says is wrong."""
    return {name: node["error"] for name, node in answer["nodes"].items()}


async def whole(agent: Agent, *names: str, within: float = 40.0) -> None:
    """Wait until the agent answers for all these nodes, and no others, without any error."""
    expected = dict.fromkeys(names, "")
    seen: dict[str, str] = {}

    async with V1Client(agent.address) as client:

        async def look() -> bool:
            nonlocal seen
            await client.send({"type": 1, "timeout": 0.5})
            seen = errors((await client.receive())[0])
            return seen == expected

        await eventually(look, within=within, why=lambda: seen)


def free_ports(count: int) -> Sequence[int]:
    """Ports of 127.0.0.1 that nobody listens on just now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports
