"""The mounts under watch, and the threads that may hang in one.

``statvfs`` on a dead mount never returns and cannot be interrupted. One thread for each mount
would be safe, but a machine with a hundred disks would pay for a hundred thread switches a
second. So one *reader* thread goes through all of them; a call that does not answer keeps that
thread, and the next round starts a new reader for the rest. A mount with a call under way is
left alone until that call returns; the thread that made it then ends. So there are never more
threads than stuck mounts and one, in the usual case exactly one, and a stuck mount delays the
others once, by one round at most.

Readers are daemon threads that nobody joins: the process may exit with any number of them stuck.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from nodnod_agent.collectors.mounts import Mount

HAND_OVER = 0.1
"""Seconds that one call may take before the rest of the round goes to a new reader."""

STUCK_AFTER = 2.0
"""Seconds after which a call that has not returned is called stuck."""


class Usage(NamedTuple):
    """Bytes as df has them: ``free`` is what users may fill, ``used`` is total - all that is free.

    ``inodes_used_percent`` is None where the filesystem has no fixed number of inodes.
    """

    total: int
    used: int
    free: int
    inodes_used_percent: float | None


class Seen(NamedTuple):
    """What is known of a mount: the last good usage, if any; what is wrong with it, if anything."""

    mount: Mount
    usage: Usage | None
    stuck_since: float | None
    error: str


def measure(path: str) -> Usage:
    """Ask the system. May never return. Raises OSError."""
    stat = os.statvfs(path)
    size, files = stat.f_frsize or stat.f_bsize, stat.f_files
    return Usage(
        total=stat.f_blocks * size,
        used=max(0, stat.f_blocks - stat.f_bfree) * size,
        free=max(0, stat.f_bavail) * size,
        inodes_used_percent=round(100 * (files - stat.f_ffree) / files, 2) if files > 0 else None,
    )


class _State:
    """One mount under watch; ``asked`` is when the call under way began (both clocks)."""

    __slots__ = ("asked", "error", "mount", "usage")

    def __init__(self, mount: Mount) -> None:
        self.mount = mount
        self.usage: Usage | None = None
        self.error = ""
        self.asked: tuple[float, float] | None = None


class MountWatch:
    """Keeps the usage of mounts fresh; no method of it ever waits for a mount."""

    def __init__(
        self,
        measure: Callable[[str], Usage] = measure,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._wall = wall
        self._changed = threading.Condition()
        self._states: dict[tuple[str, str], _State] = {}
        self._due: deque[_State] = deque()
        self._current: _State | None = None
        self._reader: threading.Thread | None = None
        self._stopped = False

    def watch(self, mounts: Iterable[Mount]) -> None:
        """Watch these from now on; one that was watched before keeps what is known of it."""
        with self._changed:
            old, self._states = self._states, {}
            for mount in mounts:
                key = (mount.device, mount.point)
                state = self._states[key] = old.get(key) or _State(mount)
                state.mount = mount

    def refresh(self) -> None:
        """Begin a round: ask every mount that has no call under way."""
        with self._changed:
            if self._stopped:
                return
            self._due = deque(state for state in self._states.values() if state.asked is None)
            if self._reader is None or not self._reader.is_alive() or self._is_held():
                self._current = None
                self._reader = threading.Thread(
                    target=self._read, name="nodnod-mounts", daemon=True
                )
                self._reader.start()
            self._changed.notify_all()

    def seen(self) -> list[Seen]:
        """What is known now, in the order of ``watch``."""
        now = self._clock()
        with self._changed:
            return [
                Seen(
                    state.mount,
                    state.usage,
                    state.asked[1]
                    if state.asked is not None and now - state.asked[0] >= STUCK_AFTER
                    else None,
                    state.error,
                )
                for state in self._states.values()
            ]

    def stop(self) -> None:
        """End the readers, as soon as each can; waits for none."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify_all()

    def _is_held(self) -> bool:
        asked = self._current.asked if self._current else None
        return asked is not None and self._clock() - asked[0] >= HAND_OVER

    def _read(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                # Another reader may have taken over while this one was in a call.
                self._changed.wait_for(lambda: self._due or self._stopped or self._reader is not me)
                if self._stopped or self._reader is not me:
                    return
                state = self._due.popleft()
                state.asked = (self._clock(), self._wall())
                self._current = state
            usage, error = None, ""
            try:
                usage = self._measure(state.mount.point)
            except PermissionError:
                pass  # not ours to see; df passes over it too
            except (OSError, ValueError) as problem:
                error = getattr(problem, "strerror", None) or str(problem)
            with self._changed:
                state.asked = None
                state.error = error
                state.usage = usage or state.usage
                if self._current is state:
                    self._current = None
