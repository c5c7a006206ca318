"""The ``system`` section: facts about this machine, read once."""

import os
import platform
from collections.abc import Mapping
from functools import cached_property

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse, MemoryUse
from nodnod_client.sections import Cores, System


def os_name(system: str, release: Mapping[str, str], mac: str) -> str:
    """The name of the distribution, or of macOS with its version, or of the kernel."""
    if mac:
        return f"macOS {mac}"
    return release.get("PRETTY_NAME") or release.get("NAME") or system


def scope(
    memory: MemoryUse | None, cpu: CpuUse | None, host_memory: int, host_cores: int
) -> tuple[str, float | None, int | None]:
    """``"host"`` or ``"container"``, and the limits of the container (cores, bytes)."""
    cores = cpu.cores if cpu and cpu.cores < host_cores else None
    limit = memory.limit if memory and memory.limit < host_memory else None
    limited = cpu is not None or limit is not None
    return ("container" if limited else "host"), cores, limit


class SystemCollector:
    """Reads the section once, at the first call."""

    def __init__(self, cgroup: Cgroup, agent_version: str) -> None:
        self._cgroup = cgroup
        self._version = agent_version

    def read(self, now: float) -> System:
        """The section."""
        return self._section

    @cached_property
    def _section(self) -> System:
        cores = os.cpu_count() or 1
        scope_, cpu_limit, memory_limit = scope(
            self._cgroup.memory(), self._cgroup.cpu(), psutil.virtual_memory().total, cores
        )
        return System(
            os=os_name(platform.system(), _release(), platform.mac_ver()[0]),
            kernel=f"{platform.system()} {platform.release()}",
            architecture=platform.machine(),
            cores=Cores(cores, psutil.cpu_count(logical=False)),
            boot_time=float(psutil.boot_time()),
            agent_version=self._version,
            python_version=platform.python_version(),
            scope=scope_,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
        )


def _release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
