"""Files of the kernel (/proc, /sys): kept open, and read from their start at each reading."""

import contextlib
import os
import select
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_CHUNK = 65536

_HOMES = ("/proc", "/sys/devices")


class KernelFile:
    """One kernel file; the constructor raises OSError if there is no such file.

    It is kept open, so that it can be read when the agent has no free file descriptor. Its path may
    lead elsewhere in time (a cgroup was made anew): it is opened again if the path leads to another
    file, or if it cannot be read. A file of another filesystem that is mounted in /proc or /sys
    (lxcfs) is opened for each reading, because an open file keeps a mount from being unmounted.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._identity = (0, 0)  # device and inode
        self._keep = True
        self._poll: select.poll | None = None
        self._open()

    def read(self) -> bytes:
        """The whole current content. Raises OSError."""
        return self._attempt(_read_all)

    def head(self, size: int) -> bytes:
        """At most the first ``size`` bytes, in one call. Raises OSError."""
        return self._attempt(lambda fd: os.pread(fd, size, 0))

    def changed(self) -> bool:
        """Whether the kernel reports a change since the last call; true at the first call.

        Only some files report changes (the mount table does). Raises OSError.
        """
        if self._poll is not None and not self._poll.poll(0):
            return False  # what is mounted over the mount table is a change of it
        self._follow()
        if not self._keep:
            self._close()
        elif self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLERR | select.POLLPRI)
            self._poll.poll(0)
        return True

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self._close()

    def _attempt(self, read: Callable[[int], bytes]) -> bytes:
        self._follow()
        try:
            data = read(self._fd)
        except OSError:
            self._close()
            self._open()
            try:
                data = read(self._fd)
            except OSError:
                self._close()
                raise
        if not self._keep:
            self._close()
        return data

    def _follow(self) -> None:
        """Open the file if it is closed or the path leads to another one."""
        if self._fd >= 0:
            try:
                status = os.stat(self._path)
            except PermissionError:  # it was opened before the agent gave up a right
                return
            except OSError:
                self._close()
                raise
            if (status.st_dev, status.st_ino) == self._identity:
                return
            self._close()
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        self._keep = not _is_foreign(self._path, status.st_dev)

    def _close(self) -> None:
        fd, self._fd, self._poll = self._fd, -1, None
        if fd >= 0:
            with contextlib.suppress(
                OSError
            ):  # of a FUSE mount that died; it is closed all the same
                os.close(fd)


def _is_foreign(path: str, device: int) -> bool:
    """Whether a file in /proc or /sys is not one of their own; a cgroup tree has its own device."""
    for home in _HOMES:
        if path.startswith(f"{home}/"):
            return os.stat(home).st_dev != device
    return False


def _read_all(fd: int) -> bytes:
    first = os.pread(fd, _CHUNK, 0)
    # /proc returns pages: a short read is not the end of the file, only an empty one is.
    chunks = [first]
    offset = len(first)
    while chunks[-1]:
        chunks.append(os.pread(fd, _CHUNK, offset))
        offset += len(chunks[-1])
    return first if len(chunks) == 2 else b"".join(chunks)


def read_once(path: str) -> bytes:
    """A short kernel file that is not kept open, by one call: at most 8 KiB. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


class OptionalFile:
    """A kernel file that may be absent, and may appear later (a controller, a driver)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: KernelFile | None = None

    def read(self, size: int | None = None) -> bytes | None:
        """The current content, or its first ``size`` bytes. Raises OSError.

        None if there is no such file, or it is not for this user.
        """
        try:
            if self._file is None:
                os.stat(
                    self._path
                )  # without a free descriptor, open() does not say that it is absent
                self._file = KernelFile(self._path)
            return self._file.read() if size is None else self._file.head(size)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            self._file = None
            return None


class SharedFile:
    """A kernel file from which several sections are computed: it is read once per sample."""

    def __init__(self, path: str) -> None:
        self._file = OptionalFile(path)
        self._data: bytes | None = None
        self._when: float | None = None

    def read(self, now: float) -> bytes | None:
        """The content at ``now``; None if there is no such file. Raises OSError."""
        if now != self._when:
            self._data, self._when = self._file.read(), now
        return self._data


def open_optional(path: str) -> KernelFile | None:
    """The file, or None if it does not exist or cannot be read."""
    try:
        return KernelFile(path)
    except OSError:
        return None


def file_source(
    path: str, parse: Callable[[bytes], T], fallback: Callable[[], T]
) -> Callable[[], T]:
    """A function that parses a kernel file; ``fallback`` on a system without that file."""
    file = OptionalFile(path)

    def read() -> T:
        data = file.read()
        return fallback() if data is None else parse(data)

    return read


def text(raw: str | bytes) -> str:
    """A name from the kernel as text for JSON; bytes that are not UTF-8 become U+FFFD."""
    data = raw if isinstance(raw, bytes) else os.fsencode(raw)
    return data.decode("utf-8", "replace")
