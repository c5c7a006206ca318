"""The ``filesystems`` section, and the disk totals of the node."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import UNSET

from nodnod_agent.collectors.mount_watch import FilesystemUsage, MountState, MountWatch
from nodnod_agent.collectors.mounts import Mount, mount_table
from nodnod_client.sections import Filesystem

FIRST_ANSWERS = 1.0
"""Seconds for which the first reading waits for mounts. They answer at once, but on a busy machine the
thread that asks them may get no CPU for as long as the first sample takes."""


class DiskSums(NamedTuple):
    """Bytes of all counted filesystems."""

    total: int
    used: int


def compute(states: Iterable[MountState]) -> list[Filesystem]:
    """The section; a mount without any answer yet is left out."""
    rows = []
    for mount, usage, stuck_since, error, measured_at in states:
        if usage is None and stuck_since is None and not error:
            continue
        point, source, type_ = mount.printable
        usage = usage or FilesystemUsage(0, 0, 0, None)
        rows.append(
            Filesystem(
                point,
                source,
                type_,
                *usage,
                counted=mount.counted,
                used_percent=_used_percent(usage),
                stuck_since=UNSET if stuck_since is None else stuck_since,
                error=error or UNSET,
                measured_at=UNSET if measured_at is None else measured_at,
            )
        )
    return rows


def _used_percent(usage: FilesystemUsage) -> int | None:
    """As in df: percent of what users can use, rounded up; None if that is nothing.

    The reserve of ext4 and the second copy of an unequal btrfs raid1 are neither used nor free: a
    filesystem that is full for its users has 100 percent, whatever its total.
    """
    usable = usage.used + usage.free
    return -(-100 * usage.used // usable) if usable else None


def disk_sums(rows: Iterable[Filesystem]) -> DiskSums:
    """Sum the counted filesystems.

    The datasets of a ZFS pool share its free space, of which each reports as much as its quota
    leaves it. So a pool adds what its datasets use, and the largest free space once.
    """
    total = used = 0
    pools: dict[str, int] = {}  # free bytes
    for row in rows:
        if not row.counted:
            continue
        used += row.used
        if row.type == "zfs":
            pool = row.device.partition("/")[0]
            pools[pool] = max(pools.get(pool, 0), row.free)
            total += row.used
        else:
            total += row.total
    return DiskSums(total + sum(pools.values()), used)


def disk_faults(rows: Iterable[Filesystem]) -> list[str]:
    """Which counted mounts have no numbers, and why, so that the sums are incomplete."""
    return [
        f"{row.mount} does not answer" if row.error is UNSET else f"{row.mount}: {row.error}"
        for row in rows
        if row.counted and not row.total
    ]


class FilesystemsCollector:
    """Follows the mount table; mounts may appear and disappear."""

    def __init__(
        self,
        table: Callable[[], list[Mount] | None] | None = None,
        watch: MountWatch | None = None,
    ) -> None:
        self._watch = watch or MountWatch()
        self._table = table or mount_table(self._watch.outdated)
        self._error: Exception | None = None
        self._settled = False

    def refresh(self) -> None:
        """Start to read all mounts. They answer while the other sections are read."""
        self._error = None
        try:
            mounts = self._table()
            if mounts is not None:
                self._watch.watch(mounts)
            self._watch.refresh()
        except Exception as error:  # noqa: BLE001 - raised by read()
            self._error = error

    def read(self, now: float) -> list[Filesystem]:
        """The section as far as it is known. Raises the error of ``refresh``.

        The first time it waits until it is known, or a mount hangs; else the first numbers of an agent
        would be those of a machine without disks.
        """
        if self._error is not None:
            raise self._error
        if not self._settled:
            self._settled = True
            self._watch.settle(FIRST_ANSWERS)
        return compute(self._watch.states())

    def stop(self) -> None:
        """End the threads that read mounts, without waiting for them."""
        self._watch.stop()
