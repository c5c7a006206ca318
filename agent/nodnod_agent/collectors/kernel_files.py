"""Files of the kernel (/proc, /sys), opened once and read anew from their start at each reading."""

import os
import select

_CHUNK = 65536


class KernelFile:
    """One open kernel file.

    Keeping it open spares the path walk, and still works when the agent has no file
    descriptors left for new ones. Raises OSError from the constructor where there is no such
    file.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._poll: select.poll | None = None

    def read(self) -> bytes:
        """The whole content as it is now."""
        first = os.pread(self._fd, _CHUNK, 0)
        # Most of /proc comes in pages: a short read is not the end, only an empty one is.
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
        """Whether the kernel says that the content has changed since the last call.

        Only some files know (the mount table does); the first call may say so for nothing.
        """
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLERR | select.POLLPRI)
            self._poll.poll(0)
            return True
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Give the descriptor back."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()


def open_if_there(path: str) -> KernelFile | None:
    """The file, or None where this machine or this user has no such thing."""
    try:
        return KernelFile(path)
    except OSError:
        return None


def text(raw: str | bytes) -> str:
    """A name as given by the kernel, made fit for JSON: bytes that are no UTF-8 become U+FFFD."""
    data = raw if isinstance(raw, bytes) else os.fsencode(raw)
    return data.decode("utf-8", "replace")
