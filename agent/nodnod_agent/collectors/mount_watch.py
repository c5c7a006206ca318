"""The usage of all mounts, read by threads that may hang.

``statvfs`` on a dead mount never returns. One thread per mount would cost a machine with a hundred
disks a hundred thread switches per second. So one *reader* thread reads all mounts in turn; a call
that does not return keeps that thread, and the next round starts a new reader for the other mounts.
A stuck mount delays the others once, by at most one round. Readers are daemon threads that are never
joined: the process can exit while they hang.
"""

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from nodnod_agent.collectors.mountinfo import mount_id
from nodnod_agent.collectors.mounts import Mount

TAKE_OVER_AFTER = 0.1
"""Seconds of one call after which a new reader takes over the other mounts."""

_MAX_BYTES = 2**63 - 1
"""No filesystem is larger, and no file offset."""

STUCK_AFTER = 2.0
"""Seconds after which a mount whose call has not returned counts as stuck."""


class FilesystemUsage(NamedTuple):
    """Bytes as in df: ``free`` is what unprivileged users can fill, ``used`` counts all free blocks.

    ``inodes_used_percent`` is None if the filesystem has no fixed number of inodes.
    """

    total: int
    used: int
    free: int
    inodes_used_percent: float | None


class MountState(NamedTuple):
    """A mount with its last good usage or None, when it got stuck or None, and its error or "".

    ``measured_at`` is the time of the only reading of a mount that expires, else None.
    """

    mount: Mount
    usage: FilesystemUsage | None
    stuck_since: float | None
    error: str
    measured_at: float | None = None


def measure(path: str) -> FilesystemUsage:
    """The usage of a mount. May never return. Raises OSError, and ValueError as ``usage_from``."""
    return usage_from(os.statvfs(path))


def usage_from(stat: os.statvfs_result) -> FilesystemUsage:
    """The usage from statvfs(3), each field of which is checked against the others.

    Network and FUSE filesystems fill in what they like: CephFS has -1 free inodes. Raises
    PermissionError if there is no size (a FUSE mount shows none to other users than its own), and
    ValueError if the size or the free space cannot be true.
    """
    size = stat.f_frsize or stat.f_bsize
    if not stat.f_blocks or not size:
        raise PermissionError(errno.EACCES, "no size is shown")
    if not 0 <= stat.f_bfree <= stat.f_blocks <= _MAX_BYTES // size:
        raise ValueError(
            f"impossible: {stat.f_bfree} of {stat.f_blocks} blocks of {size} bytes are free"
        )
    # With the reserve in use it is negative, which some systems show as a very large number.
    available = 0 if stat.f_bavail >= 2**63 else max(0, stat.f_bavail)
    files, free_files = stat.f_files, stat.f_ffree
    believed = 0 <= free_files <= files < 2**63 and files > 0
    return FilesystemUsage(
        total=stat.f_blocks * size,
        used=(stat.f_blocks - stat.f_bfree) * size,
        free=min(available, stat.f_bfree) * size,
        inodes_used_percent=round(100 * (files - free_files) / files, 2) if believed else None,
    )


def leads_to(mount: Mount) -> bool:
    """Whether the path of a mount leads to it, as far as that can be told. May never return.

    A directory above it may have been renamed, or another mount may cover it by now.
    """
    if mount.id is None:
        return True
    try:
        device = os.stat(mount.point).st_dev
    except OSError:  # as the reading itself will say
        return True
    if f"{os.major(device)}:{os.minor(device)}" == mount.device:
        return True
    # Subvolumes of btrfs, and files on an overlay, have device numbers of their own.
    return mount_id(mount.point) in (mount.id, None)


@dataclass(slots=True)
class _Watched:
    """One mount; ``called`` is when the pending call began, on both clocks.

    ``measured_at`` is when the last call began, and ``lost`` whether the path did not lead there.
    """

    mount: Mount
    usage: FilesystemUsage | None = None
    error: str = ""
    called: tuple[float, float] | None = None
    measured_at: float | None = None
    lost: bool = False

    @property
    def due(self) -> bool:
        """Whether to read it in the next round; a mount that expires is read once."""
        return self.called is None and not (self.mount.expires and self.measured_at is not None)


class MountWatch:
    """Keeps the usage of mounts up to date; only ``settle`` waits for a mount."""

    def __init__(
        self,
        measure: Callable[[str], FilesystemUsage] = measure,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        leads_to: Callable[[Mount], bool] = leads_to,
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._wall = wall
        self._leads_to = leads_to
        self._changed = threading.Condition()
        self._watched: dict[tuple[str, str, int | None], _Watched] = {}
        self._due: deque[_Watched] = deque()
        self._current: _Watched | None = None
        self._reader: threading.Thread | None = None
        self._stopped = False
        self._outdated = False

    def watch(self, mounts: Iterable[Mount]) -> None:
        """Set the mounts to watch; one that was watched before keeps its state."""
        with self._changed:
            old, self._watched = self._watched, {}
            for mount in mounts:
                key = (mount.device, mount.point, mount.id)
                state = self._watched[key] = old.get(key) or _Watched(mount)
                state.mount = mount

    def outdated(self) -> bool:
        """Whether, since the last call, the path of a mount has ceased to lead to it."""
        with self._changed:
            outdated, self._outdated = self._outdated, False
            return outdated

    def refresh(self) -> None:
        """Start a round: read every mount that is due."""
        with self._changed:
            if self._stopped:
                return
            self._due = deque(state for state in self._watched.values() if state.due)
            if self._reader is None or not self._reader.is_alive() or self._reader_hangs():
                self._current = None
                self._reader = threading.Thread(
                    target=self._read, name="nodnod-mounts", daemon=True
                )
                self._reader.start()
            self._changed.notify_all()

    def settle(self, seconds: float) -> None:
        """Wait until every mount has answered once, for so long at most, or until ``stop``."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or all(one.measured_at and not one.called for one in self._watched.values())
                ),
                seconds,
            )

    def states(self) -> list[MountState]:
        """The state of each mount, in the order of ``watch``."""
        now = self._clock()
        with self._changed:
            return [
                MountState(
                    state.mount,
                    state.usage,
                    state.called[1]
                    if state.called is not None and now - state.called[0] >= STUCK_AFTER
                    else None,
                    state.error,
                    state.measured_at if state.mount.expires else None,
                )
                for state in self._watched.values()
            ]

    def stop(self) -> None:
        """End the readers as soon as they return, without waiting."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify_all()

    def _reader_hangs(self) -> bool:
        called = self._current.called if self._current else None
        return called is not None and self._clock() - called[0] >= TAKE_OVER_AFTER

    def _read(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                # Another reader may have taken over during the call of this one.
                self._changed.wait_for(lambda: self._due or self._stopped or self._reader is not me)
                if self._stopped or self._reader is not me:
                    return
                state = self._due.popleft()
                state.called = (self._clock(), self._wall())
                state.measured_at = state.called[1]
                self._current = state
            usage, error, lost = None, "", False
            try:
                lost = not self._leads_to(state.mount)
                usage = None if lost else self._measure(state.mount.point)
            except (OSError, ValueError) as problem:
                error = getattr(problem, "strerror", None) or str(problem)
                lost = isinstance(problem, FileNotFoundError | NotADirectoryError)
                if isinstance(problem, PermissionError) and state.usage is None:
                    error = ""  # not accessible to this user; df skips it too
            with self._changed:
                state.called = None
                state.error = error
                if usage is not None:
                    state.usage = usage
                elif lost and state.lost and not error:
                    state.usage = None  # hidden: the table has been read again, and still has it
                self._outdated |= lost and not state.lost
                state.lost = lost
                if self._current is state:
                    self._current = None
                if not self._due:
                    self._changed.notify_all()  # wakes settle()
