"""The ``system`` section: facts about this machine, most of which may change while it runs."""

import math
import os
import platform
import shlex
from collections.abc import Mapping
from contextlib import suppress

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse, MemoryUse
from nodnod_agent.collectors.cpus import CpuSet
from nodnod_agent.collectors.kernel_files import SharedFile
from nodnod_agent.collectors.memory import container_use, installed
from nodnod_client.sections import Cores, System

_RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")

READ_EVERY = 10.0
"""Seconds between two readings of the section: a fifth of a sample's CPU, for what hardly ever changes."""

RELEASE_INTERVAL = 60.0
"""Seconds between two readings of the os-release file."""


def parse_os_release(text: str) -> dict[str, str]:
    """os-release(5): shell variables; lines that are none are passed over."""
    release: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition("=")
        try:
            release[name] = "".join(shlex.split(value, comments=True)[:1])
        except ValueError:  # a quote without an end
            continue
    return release


def os_name(system: str, release: Mapping[str, str], mac: str) -> str:
    """The name of the distribution, or of macOS with its version, or of the kernel."""
    if mac:
        return f"macOS {mac}"
    return release.get("PRETTY_NAME") or release.get("NAME") or system


def parse_boot_time(stat: bytes) -> float:
    """Unix seconds, from /proc/stat: the kernel corrects it when the clock is set."""
    _, found, rest = stat.partition(b"\nbtime ")
    if not found:
        raise ValueError("/proc/stat has no btime")
    return float(rest.partition(b"\n")[0])


def parse_total(meminfo: bytes) -> int:
    """Bytes of memory, from /proc/meminfo."""
    words = meminfo.partition(b"MemTotal:")[2].split(maxsplit=1)
    if not words:
        raise ValueError("/proc/meminfo has no MemTotal")
    return int(words[0]) * 1024


def scope(
    memory: MemoryUse | None, cpu: CpuUse | None, host_memory: int, host_cores: int
) -> tuple[str, float | None, int | None]:
    """``"host"`` or ``"container"``, and the limits of the container (cores, bytes)."""
    cores = cpu.cores if cpu and cpu.cores < host_cores else None
    limit = memory.limit if memory and memory.limit < host_memory else None
    limited = cpu is not None or limit is not None
    return ("container" if limited else "host"), cores, limit


class SystemCollector:
    """Reads the section anew every 10 s: a boot time of 1970, a limit and a core may be corrected."""

    def __init__(
        self,
        cgroup: Cgroup,
        agent_version: str,
        *,
        stat: SharedFile | None = None,
        meminfo: SharedFile | None = None,
    ) -> None:
        self._cgroup = cgroup
        self._stat = stat or SharedFile("/proc/stat")
        self._meminfo = meminfo or SharedFile("/proc/meminfo")
        self._host_cpus = CpuSet()
        self._cores = Cores(0, None)
        self._newest: System | None = None
        self._until = -math.inf
        self._os = ""
        self._os_until = -math.inf
        self._facts = {
            "kernel": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "agent_version": agent_version,
            "python_version": platform.python_version(),
        }

    def read(self, now: float) -> System:
        """The section, at most ten seconds old."""
        if self._newest is None or now >= self._until:
            self._newest, self._until = self._read(now), now + READ_EVERY
        return self._newest

    def _read(self, now: float) -> System:
        stat, meminfo = self._stat.read(now), self._meminfo.read(now)
        shown = psutil.virtual_memory().total if meminfo is None else parse_total(meminfo)
        cpu = self._cgroup.cpu()
        scope_, cpu_limit, memory_limit = scope(
            # Where there are no files of a group, the total may still be a limit (lxcfs).
            container_use(shown, self._cgroup) or MemoryUse(shown, 0, None, None, None),
            cpu,
            installed(shown),
            self._host_cpus.count() if cpu else 0,
        )
        return System(
            os=self._read_os(now),
            cores=self._read_cores(),
            boot_time=float(psutil.boot_time()) if stat is None else parse_boot_time(stat),
            scope=scope_,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            **self._facts,
        )

    def _read_os(self, now: float) -> str:
        if now >= self._os_until:
            self._os = os_name(platform.system(), _read_release(), platform.mac_ver()[0])
            self._os_until = now + RELEASE_INTERVAL
        return self._os

    def _read_cores(self) -> Cores:
        count = os.cpu_count() or 1
        if self._cores.logical != count:
            # psutil reads a file of each core, also of those that lxcfs does not show.
            physical = psutil.cpu_count(logical=False)
            self._cores = Cores(count, physical if physical and physical <= count else None)
        return self._cores


def _read_release() -> Mapping[str, str]:
    # Not by `platform`, which reads it once: an upgrade needs no restart.
    for path in _RELEASE_FILES:
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            return parse_os_release(file.read())
    return {}
