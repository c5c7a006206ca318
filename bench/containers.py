"""CPU time of the ``containers`` section for a number of containers, in milliseconds per sample.

    python bench/containers.py [--containers 60] [--samples 50]

As root the containers are control groups of this machine, in all its trees, each with a process in
a network of its own; for other users they are directories of files, which are faster to read. The
limit for 60 containers is 10 ms. Engines are not asked: that is not part of a sample.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness.options import flag, positive
from bench.sections import encoded, measure
from nodnod_agent.collectors.cgroup import mount_points
from nodnod_agent.collectors.container_engines import Engines
from nodnod_agent.collectors.container_groups import Trees
from nodnod_agent.collectors.containers import ContainersCollector

PARENT = "nodnod-bench"

FILES = {
    "cgroup.events": "populated 1\nfrozen 0\n",
    "cpu.stat": "usage_usec 5000000\nuser_usec 1\nsystem_usec 1\n",
    "cpu.max": "50000 100000\n",
    "memory.current": "3000000\n",
    "memory.max": "4000000\n",
    "memory.stat": "anon 5\nactive_file 3\ninactive_file 1000000\n" + "other 1\n" * 40,
    "io.stat": "8:0 rbytes=1000 wbytes=2000 rios=1 wios=1 dbytes=0 dios=0\n",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "containers", positive, 60, "number of containers")
    flag(parser, "samples", positive, 50, "number of samples")
    options = parser.parse_args()
    ids = [f"{number:064x}" for number in range(options.containers)]
    with ExitStack() as stack:
        try:
            trees = stack.enter_context(real(ids))
            kind = "control groups"
        except OSError as error:
            trees = stack.enter_context(made_up(ids))
            kind = f"directories ({error})"
        section = ContainersCollector(lambda: trees, lambda: Engines([], "/nonexistent"))
        taken, size = measure(encoded(section.read), options.samples, 0.11)
        taken.sort()
        median, most = taken[len(taken) // 2] * 1000, taken[-1] * 1000
        print(f"{len(trees.find())} containers, {kind}: median {median:.1f} ms, "
              f"most {most:.1f} ms, {size} bytes of JSON")  # fmt: skip


@contextmanager
def real(ids: list[str]) -> Iterator[Trees]:
    """Control groups of this machine, until the end. Raises OSError where that is not allowed."""
    points = set(mount_points(Path("/proc/self/mountinfo").read_bytes()).values())
    with ExitStack() as stack:
        for id_ in ids:
            groups = [Path(point, PARENT, f"docker-{id_}.scope") for point in points]
            for group in groups:
                group.mkdir(parents=True)
                stack.callback(remove, group)
            process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
            stack.callback(end, process)
            for group in groups:
                with suppress(OSError):  # a group of CPUs needs some first
                    (group / "cgroup.procs").write_text(f"{process.pid}\n")
        time.sleep(0.5)  # until all have their network
        yield Trees()


def remove(group: Path) -> None:
    """Remove a group, and the one above if it is the last."""
    with suppress(OSError):
        group.rmdir()
        group.parent.rmdir()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process."""
    process.kill()
    process.wait()


@contextmanager
def made_up(ids: list[str]) -> Iterator[Trees]:
    """Directories like control groups of v2, each with a process that has a network of its own."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        write(root / "proc/self/mountinfo", f"20 1 0:20 / {root}/cg rw - cgroup2 none rw\n")
        write(root / "cg/cgroup.controllers", "cpuset cpu io memory pids\n")
        network = Path("/proc/self/net/dev").read_text()
        for pid, id_ in enumerate(ids, 1000):
            group = f"/system.slice/docker-{id_}.scope"
            for name, text in (FILES | {"cgroup.procs": f"{pid}\n"}).items():
                write(root / f"cg{group}/{name}", text)
            write(root / f"proc/{pid}/stat", f"{pid} (a) S {'1 ' * 18}12345 0 0\n")
            write(root / f"proc/{pid}/cgroup", f"0::{group}\n")
            write(root / f"proc/{pid}/net/dev", network)
        yield Trees(str(root / "proc"), str(root / "sys"))


def write(path: Path, text: str) -> None:
    """Write a file, and make its directory."""
    os.makedirs(path.parent, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    main()
