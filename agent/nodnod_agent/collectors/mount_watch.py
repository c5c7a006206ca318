"""The usage of all mounts, read by threads that may hang.

``statvfs`` on a dead mount never returns. One thread per mount would cost a machine with a hundred
disks a hundred thread switches per second. So one *reader* thread reads all mounts in turn; a call
that does not return keeps that thread, and the next round starts a new reader for the other mounts.
A stuck mount delays the others once, by at most one round. Readers are daemon threads that are never
joined: the process can exit while they hang.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from nodnod_agent.collectors.mounts import Mount

TAKE_OVER_AFTER = 0.1
"""Seconds of one call after which a new reader takes over the other mounts."""

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
    """A mount with its last good usage or None, when it got stuck or None, and its error or ""."""

    mount: Mount
    usage: FilesystemUsage | None
    stuck_since: float | None
    error: str


def measure(path: str) -> FilesystemUsage:
    """The usage of a mount. May never return. Raises OSError."""
    stat = os.statvfs(path)
    size, files = stat.f_frsize or stat.f_bsize, stat.f_files
    return FilesystemUsage(
        total=stat.f_blocks * size,
        used=max(0, stat.f_blocks - stat.f_bfree) * size,
        free=max(0, stat.f_bavail) * size,
        inodes_used_percent=round(100 * (files - stat.f_ffree) / files, 2) if files > 0 else None,
    )


@dataclass(slots=True)
class _Watched:
    """One mount; ``called`` is when the pending call began, on both clocks."""

    mount: Mount
    usage: FilesystemUsage | None = None
    error: str = ""
    called: tuple[float, float] | None = None


class MountWatch:
    """Keeps the usage of mounts up to date; its methods never wait for a mount."""

    def __init__(
        self,
        measure: Callable[[str], FilesystemUsage] = measure,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._wall = wall
        self._changed = threading.Condition()
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._due: deque[_Watched] = deque()
        self._current: _Watched | None = None
        self._reader: threading.Thread | None = None
        self._stopped = False

    def watch(self, mounts: Iterable[Mount]) -> None:
        """Set the mounts to watch; one that was watched before keeps its state."""
        with self._changed:
            old, self._watched = self._watched, {}
            for mount in mounts:
                key = (mount.device, mount.point)
                state = self._watched[key] = old.get(key) or _Watched(mount)
                state.mount = mount

    def refresh(self) -> None:
        """Start a round: read every mount that has no pending call."""
        with self._changed:
            if self._stopped:
                return
            self._due = deque(state for state in self._watched.values() if state.called is None)
            if self._reader is None or not self._reader.is_alive() or self._reader_hangs():
                self._current = None
                self._reader = threading.Thread(
                    target=self._read, name="nodnod-mounts", daemon=True
                )
                self._reader.start()
            self._changed.notify_all()

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
                self._current = state
            usage, error = None, ""
            try:
                usage = self._measure(state.mount.point)
            except PermissionError:
                pass  # not accessible to this user; df skips it too
            except (OSError, ValueError) as problem:
                error = getattr(problem, "strerror", None) or str(problem)
            with self._changed:
                state.called = None
                state.error = error
                state.usage = usage or state.usage
                if self._current is state:
                    self._current = None
