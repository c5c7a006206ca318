"""The ``memory`` section: used and available memory, and swap."""

from collections.abc import Callable

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, MemoryUse
from nodnod_agent.collectors.kernel_files import file_source
from nodnod_client.sections import Memory

_FIELDS = frozenset(
    b"MemTotal MemFree MemAvailable Buffers Cached SReclaimable SwapTotal SwapFree".split()
)


def parse_meminfo(data: bytes) -> Memory:
    """The section from /proc/meminfo (kB). ``cached`` includes reclaimable slabs, as in free(1)."""
    found: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        name, _, rest = line.partition(b":")
        if name in _FIELDS:
            found[name] = int(rest.split()[0]) * 1024
    total = found[b"MemTotal"]
    cached = found.get(b"Cached", 0) + found.get(b"SReclaimable", 0)
    buffers = found.get(b"Buffers", 0)
    # Kernels before 3.14 have no MemAvailable.
    available = found.get(b"MemAvailable", found.get(b"MemFree", 0) + cached + buffers)
    available = min(available, total)
    swap = found.get(b"SwapTotal", 0)
    return Memory(
        total=total,
        used=total - available,
        available=available,
        cached=cached,
        buffers=buffers,
        swap_total=swap,
        swap_used=swap - found.get(b"SwapFree", 0),
    )


def limited(host: Memory, use: MemoryUse | None) -> Memory:
    """The memory of the container if its limit is below the host's total, else the host's."""
    if use is None or use.limit >= host.total:
        return host
    used = min(use.used, use.limit)
    return Memory(
        total=use.limit,
        used=used,
        available=use.limit - used,
        cached=use.cached,
        buffers=None,
        swap_total=_swap_total(host, use),
        swap_used=use.swap_used,
    )


def _swap_total(host: Memory, use: MemoryUse) -> int | None:
    if use.swap_used is None:
        return None
    total = host.swap_total or 0
    return total if use.swap_limit is None else min(total, use.swap_limit)


class MemoryCollector:
    """Reads /proc/meminfo (psutil on other systems), and the memory limit of the cgroup."""

    def __init__(self, cgroup: Cgroup, source: Callable[[], Memory] | None = None) -> None:
        self._cgroup = cgroup
        self._source = source or file_source("/proc/meminfo", parse_meminfo, psutil_memory)

    def read(self, now: float) -> Memory:
        """The current section."""
        return limited(self._source(), self._cgroup.memory())


def psutil_memory() -> Memory:
    """Read through psutil, for systems without /proc."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Memory(
        total=memory.total,
        used=memory.total - memory.available,
        available=memory.available,
        cached=getattr(memory, "cached", None),
        buffers=getattr(memory, "buffers", None),
        swap_total=swap.total,
        swap_used=swap.used,
    )
