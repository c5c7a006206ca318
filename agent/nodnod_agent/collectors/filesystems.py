"""The ``filesystems`` section, and the sums of the disks that a node reports."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import UNSET

from nodnod_agent.collectors.mount_watch import MountWatch, Seen
from nodnod_agent.collectors.mounts import Mount, mount_table
from nodnod_client.sections import Filesystem


class DiskSums(NamedTuple):
    """Bytes of all counted filesystems together."""

    total: int
    used: int


def section(seen: Iterable[Seen]) -> list[Filesystem]:
    """The section; a mount that has answered neither well nor badly yet is left out."""
    rows = []
    for mount, usage, stuck_since, error in seen:
        if usage is None and stuck_since is None and not error:
            continue
        point, source, type_ = mount.shown
        rows.append(
            Filesystem(
                mount=point,
                device=source,
                type=type_,
                total=usage.total if usage else 0,
                used=usage.used if usage else 0,
                free=usage.free if usage else 0,
                inodes_used_percent=usage.inodes_used_percent if usage else None,
                counted=mount.counted,
                stuck_since=UNSET if stuck_since is None else stuck_since,
                error=error or UNSET,
            )
        )
    return rows


def disk_sums(rows: Iterable[Filesystem]) -> DiskSums:
    """Sum up what is counted.

    The datasets of a ZFS pool each show the pool's free space as theirs, so all but the first of
    a pool add only what they use.
    """
    total = used = 0
    pools = set()
    for row in rows:
        if not row.counted:
            continue
        pool = re.split("[/@]", row.device)[0] if row.type == "zfs" else None
        total += row.used if pool in pools else row.total
        used += row.used
        if pool is not None:
            pools.add(pool)
    return DiskSums(total, used)


def silent(rows: Iterable[Filesystem]) -> list[str]:
    """Counted mounts of which nothing is known: what the sums lack."""
    return [row.mount for row in rows if row.counted and not row.total]


class FilesystemsCollector:
    """Follows the mount table; mounts may come and go while it runs."""

    def __init__(
        self,
        table: Callable[[], list[Mount] | None] | None = None,
        watch: MountWatch | None = None,
    ) -> None:
        self._table = table or mount_table()
        self._watch = watch or MountWatch()
        self._problem: Exception | None = None

    def refresh(self) -> None:
        """Ask all mounts anew. Their answers come in while the other sections are read."""
        self._problem = None
        try:
            mounts = self._table()
            if mounts is not None:
                self._watch.watch(mounts)
            self._watch.refresh()
        except Exception as problem:  # noqa: BLE001 - told by read(), where it is reported
            self._problem = problem

    def read(self, now: float) -> list[Filesystem]:
        """The section as far as it is known; never waits. Raises what ``refresh`` met."""
        if self._problem is not None:
            raise self._problem
        return section(self._watch.seen())

    def stop(self) -> None:
        """Let the reading threads go."""
        self._watch.stop()
