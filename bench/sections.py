"""CPU time of each section, and of a whole sample, on this machine: a table.

    python bench/sections.py [--samples 500] [--pause 0.02]

CPU time of the whole process (so the thread that reads the mounts is in it), reading, computing
and encoding, in microseconds per sample. The pause between two samples lets caches get as cold as
they do in an agent. The limit for all cheap sections together is 2,000.

`custom` reads one file of 2,000 numbers with labels, its limit, and `custom, new` one that has just
changed. Containers have a program of their own, bench/containers.py.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from bench.harness.options import flag, positive, seconds
from nodnod_agent.collectors.custom import CustomCollector
from nodnod_agent.collectors.machine import Machine, open_collectors
from nodnod_agent.collectors.moment import moment
from nodnod_agent.collectors.processes import NotReady
from nodnod_client.sections import EXPENSIVE


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "samples", positive, 500, "samples of each section")
    flag(parser, "pause", seconds, 0.02, "seconds between two samples")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        table(options, Path(directory))


def table(options: argparse.Namespace, directory: Path) -> None:
    """Measure all sections, with files of numbers in ``directory``."""
    collectors = open_collectors("bench", CustomCollector(str(directory)))
    numbers = directory / "numbers.prom"
    lines = (f'bench_number{{host="host-{n % 100}",queue="{n}"}} {n}\n' for n in range(2000))
    numbers.write_text("".join(lines))

    def filesystems(now: float) -> Any:
        collectors.filesystems.refresh()
        time.sleep(0.0005)  # until the reader has answered, so that its time is in the figure
        return collectors.filesystems.read(now)

    print(f"{'section':<14}{'median µs':>10}{'p99 µs':>10}{'bytes':>8}")
    reads = {name: collector.read for name, collector in collectors._asdict().items()}
    reads["filesystems"] = filesystems
    for name in sorted(reads, key=lambda name: name in EXPENSIVE):
        # Expensive sections need at least a tenth of a second between two readings.
        samples, pause = (
            (options.samples // 10, 0.11) if name in EXPENSIVE else (options.samples, options.pause)
        )
        report(name, *measure(encoded(reads[name]), samples, pause))

    def changed(now: float) -> Any:
        os.utime(numbers)
        return collectors.custom.read(now)

    report("custom, new", *measure(encoded(changed), 20, 0.11))
    machine = Machine(collectors)

    def sample() -> bytes:
        return b"".join(machine.sample(moment()).sections.values())

    report("all cheap", *measure(sample, options.samples, options.pause))
    machine.stop()


def encoded(read: Callable[[float], Any]) -> Callable[[], bytes]:
    """A call that reads and encodes; empty for a section that needs a second reading."""
    encode = msgspec.json.Encoder().encode

    def take() -> bytes:
        value = read(time.monotonic())
        return b"" if isinstance(value, NotReady) else encode(value)

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
