"""Child processes of Python: each ends with the process that started it, whatever ends that one."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from nodnod_client.address import Address

START_LIMIT = 120.0
"""Seconds until a process must listen; the machine may be busy."""

STOP_LIMIT = 3.0

SCRIPT = (
    "import os, runpy, sys; from nodnod_agent.console.parent_watchdog import watch; watch(0);"
    "del sys.argv[0]; sys.path[0] = os.path.dirname(sys.argv[0]);"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
"""Runs the script that its first argument names, under the parent watchdog of the console."""


def spawn(
    arguments: Sequence[str],
    *,
    prefix: Sequence[str] = (),
    python: Sequence[str] = (sys.executable,),
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start Python with ``arguments``, which must put it under the parent watchdog.

    ``prefix`` is a command to run it with, ``options`` are those of Popen. A Ctrl-C in the terminal
    does not reach the process: it has a process group of its own. The group is of our session, so
    that the kernel wakes a process that is stopped when we end.
    """
    return subprocess.Popen(
        [*prefix, *python, *arguments],
        stdin=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("NODNOD_")},
        process_group=0,
        **options,
    )


def script(path: Path, *arguments: str) -> list[str]:
    """The arguments of Python that run a script under the parent watchdog."""
    return ["-c", SCRIPT, str(path), *arguments]


def pin(pid: int, cores: Collection[int]) -> None:
    """Have all threads of a process run on these cores only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


class Child:
    """A process that may be started again and again, and its log, a file that all runs append to.

    ``options`` are those of ``spawn``.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, options: Mapping[str, Any] | None = None
    ) -> None:
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.over = False
        """Whether it was ended on purpose, or its end was waited for."""
        self._log = log
        self._log.touch()
        self._options = options or {}
        self._began = 0
        """Bytes that earlier processes have written to the log."""

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The newest process."""
        assert self.process is not None
        return self.process

    @property
    def pid(self) -> int:
        """The id of the newest process."""
        return self.running.pid

    @property
    def status(self) -> int | None:
        """The exit status of the newest process; ``None`` while it runs."""
        return self.running.poll()

    def start(self) -> None:
        """Start the process and wait for nothing."""
        self._began = self._log.stat().st_size
        self._close()
        self.over = False
        with self._log.open("ab") as log:
            self.process = spawn(self.arguments, **{"stdout": log, "stderr": log, **self._options})

    def wait_until(self, ready: Callable[[], object]) -> None:
        """Block until something is true of the process. Raises RuntimeError if it ends before."""
        deadline = time.monotonic() + START_LIMIT
        while not ready():
            self.check_start(deadline)
            time.sleep(0.005)

    def check_start(self, deadline: float) -> None:
        """Raise RuntimeError if it has ended, or still starts at the deadline."""
        if self.status is not None or time.monotonic() > deadline:
            raise RuntimeError(f"process {self.pid} does not listen:\n{self.output()}")

    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text(errors="replace")

    def output(self) -> str:
        """What its newest process has written."""
        with self._log.open("rb") as log:
            log.seek(self._began)
            return log.read().decode(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.running.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL and wait for its end."""
        if self.process is not None:
            self.over = True
            self.process.kill()
            self.process.wait()
            self._close()

    def terminate(self, within: float = STOP_LIMIT) -> None:
        """End it with SIGTERM, or with SIGKILL after so many seconds; wait for its end."""
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(within)
            self.kill()

    def _close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


@contextmanager
def serving(path: Path, address: Address, *arguments: str) -> Iterator[Child]:
    """Run a script until the block ends; it must listen on ``address``, its first argument."""

    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(address) == 0

    with tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder:
        child = Child(script(path, str(address), *arguments), Path(folder) / "log")
        child.start()
        try:
            child.wait_until(accepts)
            yield child
        finally:
            child.terminate()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on at the moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
