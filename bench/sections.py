"""CPU time of each section, and of a whole sample, on this machine: a table.

    python bench/sections.py [--samples 500] [--pause 0.02]

CPU time of the whole process (so the thread that reads the mounts is in it), reading, computing
and encoding, in microseconds per sample. The pause between two samples lets caches go as cold as
they do in an agent. Compare: all cheap sections together are meant to stay under 2,000.
"""

import sys

sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from nodnod_agent.collectors.machine import Machine, collectors_here, moment
from nodnod_agent.collectors.on_demand import LATER


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two samples")
    options = parser.parse_args()
    readings = collectors_here("bench")

    def filesystems(now: float) -> Any:
        readings.filesystems.refresh()
        time.sleep(0.0005)  # until the reader has answered, to have its time in the figure
        return readings.filesystems.read(now)

    print(f"{'section':<14}{'median µs':>10}{'p99 µs':>10}{'bytes':>8}")
    for name, read in (readings.cheap() | {"filesystems": filesystems}).items():
        report(name, *measure(encoded(read), options.samples, options.pause))
    for name, costly in readings.costly.items():
        # Some of them refuse to look again within a tenth of a second.
        report(name, *measure(encoded(costly.read), options.samples // 10, 0.11))
    machine = Machine(readings)

    def sample() -> bytes:
        return b"".join(machine.take(moment()).sections.values())

    report("all cheap", *measure(sample, options.samples, options.pause))
    machine.stop()


def encoded(read: Callable[[float], Any]) -> Callable[[], bytes]:
    """A call that reads and encodes; the first look of a section that needs two is empty."""
    encode = msgspec.json.Encoder().encode

    def take() -> bytes:
        value = read(time.monotonic())
        return b"" if value is LATER else encode(value)

    return take


def measure(take: Callable[[], bytes], count: int, pause: float) -> tuple[list[float], int]:
    """CPU seconds of each of ``count`` calls, and the bytes of the last."""
    taken, size = [], 0
    for _ in range(max(count, 10)):
        time.sleep(pause)
        before = time.process_time()
        size = len(take())
        taken.append(time.process_time() - before)
    return taken, size


def report(name: str, taken: list[float], size: int) -> None:
    """One row."""
    median, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    print(f"{name:<14}{median * 1e6:>10.0f}{p99 * 1e6:>10.0f}{size:>8}")


if __name__ == "__main__":
    main()
