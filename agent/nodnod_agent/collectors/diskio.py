"""The ``diskio`` section: what each whole disk reads and writes a second."""

import os
from collections.abc import Callable
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import KernelFile, open_if_there, text
from nodnod_agent.core.stats.rates import per_second
from nodnod_client.sections import DiskIo

SECTOR = 512
"""Bytes; /proc/diskstats counts in these, whatever the disk's own sector size."""

_NO_DISKS = ("loop", "ram", "zram", "fd", "sr")


class DiskCounters(NamedTuple):
    """Since boot: operations, bytes, and seconds with I/O under way (None where not counted)."""

    reads: float
    read_bytes: float
    writes: float
    write_bytes: float
    busy: float | None


Counted = dict[str, DiskCounters]


def parse_diskstats(data: bytes, is_disk: Callable[[str], bool]) -> Counted:
    """/proc/diskstats (the kernel's admin-guide/iostats), of the devices that ``is_disk`` takes."""
    found: Counted = {}
    for line in data.split(b"\n"):
        columns = line.split()
        if len(columns) < 13:
            continue
        name = text(columns[2])
        if is_disk(name):
            reads, _, sectors_read, _, writes, _, sectors_written, _, _, busy_ms = map(
                int, columns[3:13]
            )
            found[name] = DiskCounters(
                reads, sectors_read * SECTOR, writes, sectors_written * SECTOR, busy_ms / 1000
            )
    return found


def compute(before: Counted, after: Counted, elapsed: float) -> dict[str, DiskIo]:
    """The section; a disk that one of the readings lacks is left out."""
    return {
        name: DiskIo(
            read_bytes=round(per_second(then.read_bytes, now.read_bytes, elapsed), 1),
            write_bytes=round(per_second(then.write_bytes, now.write_bytes, elapsed), 1),
            reads=round(per_second(then.reads, now.reads, elapsed), 1),
            writes=round(per_second(then.writes, now.writes, elapsed), 1),
            busy_percent=None
            if then.busy is None or now.busy is None
            else round(min(100.0, 100 * per_second(then.busy, now.busy, elapsed)), 2),
        )
        for name, now in after.items()
        if (then := before.get(name)) is not None
    }


class DiskIoCollector:
    """Reads /proc/diskstats where there is one, psutil elsewhere."""

    def __init__(self, source: Callable[[], Counted | None] | None = None) -> None:
        self._source = source or _source()
        self._counted: Counted = {}
        self._when = 0.0

    def read(self, now: float) -> dict[str, DiskIo] | None:
        """The section since the reading before; None on a machine that counts no disks."""
        counted, before = self._source(), self._counted
        if counted is None:
            return None
        elapsed, self._when, self._counted = now - self._when, now, counted
        return compute(before, counted, elapsed)


def _source() -> Callable[[], Counted | None]:
    file = open_if_there("/proc/diskstats")
    return psutil_counters if file is None else _diskstats_source(file)


def _diskstats_source(file: KernelFile) -> Callable[[], Counted]:
    known: dict[str, bool] = {}

    def is_disk(name: str) -> bool:
        answer = known.get(name)
        if answer is None:
            answer = known[name] = not name.startswith(_NO_DISKS) and is_whole(name)
        return answer

    return lambda: parse_diskstats(file.read(), is_disk)


def is_whole(name: str) -> bool:
    """Whether a block device is no partition: /sys/block lists whole devices only."""
    return os.path.exists(f"/sys/block/{name.replace('/', '!')}") or not os.path.isdir("/sys/block")


def psutil_counters() -> Counted | None:
    """The same from psutil, for systems without /proc."""
    disks = psutil.disk_io_counters(perdisk=True)
    if not disks:
        return None
    return {
        name: DiskCounters(
            disk.read_count, disk.read_bytes, disk.write_count, disk.write_bytes, None
        )
        for name, disk in disks.items()
    }
