"""The ``memory`` section: used and available memory, and swap."""

import os
import sys
from collections.abc import Callable

import psutil

from nodnod_agent.collectors.cgroup import Cgroup, MemoryUse
from nodnod_agent.collectors.kernel_files import SharedFile
from nodnod_agent.collectors.plausible import within
from nodnod_client.sections import Memory

_FIELDS = frozenset(
    b"MemTotal MemFree MemAvailable Buffers Cached SReclaimable Shmem SwapTotal SwapFree".split()
)


def parse_meminfo(data: bytes) -> Memory:
    """The section from /proc/meminfo (kB). ``cached`` includes reclaimable slabs, as in free(1).

    lxcfs computes some of the fields as differences, which may be negative (2**64 less a little) or
    larger than the total. Raises ValueError if no field says what is available.
    """
    found: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        name, _, rest = line.partition(b":")
        if name in _FIELDS and (words := rest.split()) and words[0].isdigit():
            found[name] = int(words[0]) * 1024

    def size(name: bytes) -> int:
        value = found.get(name, 0)
        return value if value < 2**63 else 0

    total, swap = size(b"MemTotal"), size(b"SwapTotal")
    cached, buffers = size(b"Cached") + size(b"SReclaimable"), size(b"Buffers")
    # Shared memory counts as cached, but cannot be dropped.
    cache = max(0, cached + buffers - size(b"Shmem"))
    estimates = []
    if b"MemAvailable" in found:  # since Linux 3.14
        estimates.append(found[b"MemAvailable"])
    if b"MemFree" in found:
        estimates += [size(b"MemFree") + cache, size(b"MemFree")]
    available = next((size for size in estimates if size <= total), None)
    if total == 0 or available is None:
        raise ValueError(f"of {total} bytes of memory, {available} are available")
    return Memory(
        total=total,
        used=total - available,
        available=available,
        cached=within(0, cached, total),
        buffers=within(0, buffers, total),
        swap_total=swap,
        swap_used=max(0, swap - found[b"SwapFree"]) if b"SwapFree" in found else None,
    )


def container_use(shown: int, cgroup: Cgroup) -> MemoryUse | None:
    """The memory of this container; None if no limit applies. ``shown`` is its total in meminfo.

    lxcfs shows the limit as the total, also one that stands on a group above, and counts shared
    memory as available: the group's own use is right.
    """
    use = cgroup.memory()
    if use is not None and use.limit <= shown:
        return use
    return cgroup.memory_within(shown) if shown < installed(shown) else None


def installed(shown: int) -> int:
    """Bytes of memory that the kernel has, whatever total is shown to a container."""
    if sys.platform != "linux":
        return shown
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def limited(host: Memory, use: MemoryUse | None) -> Memory:
    """The memory of the container if its limit is at most the host's total, else the host's."""
    if use is None or use.limit > host.total:
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

    def __init__(
        self,
        cgroup: Cgroup,
        source: Callable[[], Memory] | None = None,
        meminfo: SharedFile | None = None,
    ) -> None:
        self._cgroup = cgroup
        self._source = source
        self._meminfo = meminfo or SharedFile("/proc/meminfo")

    def read(self, now: float) -> Memory:
        """The current section."""
        host = self._read_host(now)
        return limited(host, container_use(host.total, self._cgroup))

    def _read_host(self, now: float) -> Memory:
        if self._source is not None:
            return self._source()
        data = self._meminfo.read(now)
        return psutil_memory() if data is None else parse_meminfo(data)


def psutil_memory() -> Memory:
    """Read through psutil, for systems without /proc."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    if memory.available > memory.total:
        raise ValueError(f"of {memory.total} bytes of memory, {memory.available} are available")
    return Memory(
        total=memory.total,
        used=memory.total - memory.available,
        available=memory.available,
        cached=getattr(memory, "cached", None),
        buffers=getattr(memory, "buffers", None),
        swap_total=swap.total,
        swap_used=swap.used,
    )
