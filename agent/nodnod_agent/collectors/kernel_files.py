"""Files of the kernel (/proc, /sys): opened once, and read from their start at each reading."""

import os
import select
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_CHUNK = 65536


class KernelFile:
    """One open kernel file; the constructor raises OSError if there is no such file.

    An open file needs no path lookup, and can be read when the agent has no free file descriptor.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._poll: select.poll | None = None

    def read(self) -> bytes:
        """The whole current content."""
        first = os.pread(self._fd, _CHUNK, 0)
        # /proc returns pages: a short read is not the end of the file, only an empty one is.
        chunks = [first]
        offset = len(first)
        while chunks[-1]:
            chunks.append(os.pread(self._fd, _CHUNK, offset))
            offset += len(chunks[-1])
        return first if len(chunks) == 2 else b"".join(chunks)

    def head(self, size: int) -> bytes:
        """At most the first ``size`` bytes, in one call."""
        return os.pread(self._fd, size, 0)

    def changed(self) -> bool:
        """Whether the kernel reports a change since the last call; true at the first call.

        Only some files report changes (the mount table does).
        """
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLERR | select.POLLPRI)
            self._poll.poll(0)
            return True
        return bool(self._poll.poll(0))

    def __del__(self) -> None:
        if hasattr(self, "_fd"):  # opened
            os.close(self._fd)


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
    file = open_optional(path)
    return fallback if file is None else lambda: parse(file.read())


def text(raw: str | bytes) -> str:
    """A name from the kernel as text for JSON; bytes that are not UTF-8 become U+FFFD."""
    data = raw if isinstance(raw, bytes) else os.fsencode(raw)
    return data.decode("utf-8", "replace")
