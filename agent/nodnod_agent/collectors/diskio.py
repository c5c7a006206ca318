"""The ``diskio`` section: what each whole disk reads and writes per second."""

import os
from collections.abc import Callable, Collection
from functools import cache
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import file_source, text
from nodnod_agent.core.stats.rates import per_second
from nodnod_client.sections import DiskIo

SECTOR = 512
"""Bytes of one unit of /proc/diskstats, whatever the sector size of the disk."""

NAMES_FOR = 60.0
"""Seconds for which a name is known to be a disk or not; later it may be another device's."""

_NO_DISKS = ("loop", "ram", "zram", "fd", "sr")


class DiskCounters(NamedTuple):
    """Since boot: operations, bytes, and seconds with I/O in progress (None if not counted)."""

    reads: float
    read_bytes: float
    writes: float
    write_bytes: float
    busy: float | None


class DiskTransfer(NamedTuple):
    """Bytes per second from and to the disks of the machine."""

    read_bytes: float
    write_bytes: float


Disks = dict[str, DiskCounters]
"""By name as the system has it, see os.fsdecode."""


def parse_diskstats(data: bytes, is_disk: Callable[[str], bool]) -> Disks:
    """/proc/diskstats (the kernel's admin-guide/iostats), of the devices that are ``is_disk``."""
    found: Disks = {}
    for line in data.split(b"\n"):
        columns = line.split()
        if len(columns) < 13 or not all(map(bytes.isdigit, columns[3:13])):
            continue
        name = os.fsdecode(columns[2])
        if is_disk(name):
            reads, _, sectors_read, _, writes, _, sectors_written, _, _, busy_ms = map(
                int, columns[3:13]
            )
            found[name] = DiskCounters(
                reads, sectors_read * SECTOR, writes, sectors_written * SECTOR, busy_ms / 1000
            )
    return found


def compute(before: Disks, after: Disks, elapsed: float) -> dict[str, DiskIo]:
    """The section from two readings; a disk that is in only one of them is left out."""
    return {
        text(name): DiskIo(
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


def transfer(section: dict[str, DiskIo], stacked: Collection[str]) -> DiskTransfer | None:
    """The sum of the disks that are not ``stacked`` on others; None without any."""
    disks = [disk for name, disk in section.items() if name not in stacked]
    if not disks:
        return None
    return DiskTransfer(
        sum(disk.read_bytes for disk in disks), sum(disk.write_bytes for disk in disks)
    )


class DiskIoCollector:
    """Reads /proc/diskstats; psutil on other systems."""

    def __init__(self, source: Callable[[], Disks | None] | None = None) -> None:
        self._is_disk = cache(is_disk)
        self._stacked: set[str] = set()
        self._known: Collection[str] = ()
        self._names_until = 0.0
        self._source = source or file_source(
            "/proc/diskstats", lambda data: parse_diskstats(data, self._is_disk), psutil_disks
        )
        self._disks: Disks = {}
        self._when = 0.0

    def read(self, now: float) -> dict[str, DiskIo] | None:
        """The section since the previous reading; None on a machine without disk counters."""
        if now >= self._names_until:
            self._is_disk.cache_clear()
            self._known = ()
            self._names_until = now + NAMES_FOR
        disks, before = self._source(), self._disks
        if disks is None:
            return None
        elapsed, self._when, self._disks = now - self._when, now, disks
        if disks.keys() != self._known:
            self._known = disks.keys()
            self._stacked = {text(name) for name in disks if is_stacked(name)}
        return compute(before, disks, elapsed)

    def stacked(self) -> Collection[str]:
        """The disks, as in the section, that repeat the work of others."""
        return self._stacked


def is_stacked(name: str) -> bool:
    """Whether a disk repeats the work of others: it is built on them, or on a pool of ZFS."""
    if name.startswith("zd"):
        return True
    try:
        return bool(os.listdir(f"/sys/block/{name.replace('/', '!')}/slaves"))
    except OSError:
        return False


def is_disk(name: str) -> bool:
    """Whether a block device is a whole disk: /sys/block does not list partitions."""
    if name.startswith(_NO_DISKS):
        return False
    return os.path.exists(f"/sys/block/{name.replace('/', '!')}") or not os.path.isdir("/sys/block")


def psutil_disks() -> Disks | None:
    """Read through psutil, for systems without /proc; None without disks."""
    disks = psutil.disk_io_counters(perdisk=True)
    if not disks:
        return None
    return {
        name: DiskCounters(
            disk.read_count, disk.read_bytes, disk.write_count, disk.write_bytes, None
        )
        for name, disk in disks.items()
    }
