"""Terminal output and CPU of `nodnod top`, of this build and of older ones at the same time.

    python bench/top.py [--nodes 40] [--columns 120] [--lines 40] [--seconds 60]
                        [--against PATH_OF_A_VENV ...]

All of them watch the same simulated cluster, whose numbers change once a second, in the same seconds, so
that whatever else the machine does disturbs them alike. Each has a terminal of its own, of the same
size, that takes everything at once. CPU is that of all threads of the process, in percent of one core.
"""

import sys

if __name__ == "__main__":
    # From bench/ itself, concurrent.py would hide the library's.
    sys.path[:1] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../tests"]

import argparse
import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence
from contextlib import ExitStack, closing

from bench.harness.builds import THIS_BUILD, add_against
from bench.harness.options import flag, positive, run_program, seconds
from bench.harness.report import print_table
from bench.harness.usage import cpu_seconds, rss
from browser.simulated import SimulatedCluster

SETTLED = 8.0
"""Seconds from the first output to the measurement: the start is another matter."""

CODE = "import sys; from nodnod_agent.console.main import main; sys.exit(main())"

ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


class Viewer:
    """One ``nodnod top`` on a terminal."""

    def __init__(self, python: Sequence[str], server: str, columns: int, lines: int) -> None:
        self._bytes = 0
        self.shown = asyncio.Event()
        """The first output has come."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [*python, "-c", CODE, "top", "--server", server],
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
            **dict.fromkeys(("stdin", "stdout", "stderr"), slave),
        )
        os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._drain)

    @property
    def used(self) -> tuple[float, float]:
        """Bytes of output and seconds of CPU until now. RuntimeError if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}")
        return self._bytes, cpu_seconds(self.process.pid)

    def close(self) -> None:
        """End it."""
        asyncio.get_running_loop().remove_reader(self._master)
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _drain(self) -> None:
        try:
            self._bytes += len(os.read(self._master, 65536))
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self._master)
        self.shown.set()


async def measure(options: argparse.Namespace) -> None:
    """Run, and print a table."""
    names = [f"node-{number:03d}" for number in range(options.nodes)]
    builds = [THIS_BUILD, *options.against]
    async with SimulatedCluster(names) as cluster:
        with ExitStack() as ending:
            viewers = []
            for build in builds:
                viewer = Viewer(build.python, cluster.address, options.columns, options.lines)
                viewers.append(ending.enter_context(closing(viewer)))
            for viewer in viewers:
                await viewer.shown.wait()
            await asyncio.sleep(SETTLED)
            before = [viewer.used for viewer in viewers]
            await asyncio.sleep(options.seconds)
            after = [viewer.used for viewer in viewers]
            memory = [rss(viewer.process.pid) / 1e6 for viewer in viewers]
    rows = []
    for build, start, end, resident in zip(builds, before, after, memory, strict=True):
        written, cpu = (
            (last - first) / options.seconds for first, last in zip(start, end, strict=True)
        )
        rows.append([build.name, f"{written / 1000:.1f}", f"{100 * cpu:.2f}", f"{resident:.1f}"])
    print(f"{options.nodes} nodes on {options.columns} by {options.lines}, {options.seconds:g} s")
    print_table(("build", "KB/s", "CPU %", "RSS MB"), rows)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "nodes", positive, 40, "nodes of the simulated cluster")
    flag(parser, "columns", positive, 120, "width of the terminal")
    flag(parser, "lines", positive, 40, "height of the terminal")
    flag(parser, "seconds", seconds, 60.0, "seconds of the measurement")
    add_against(parser)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    run_program(main)
