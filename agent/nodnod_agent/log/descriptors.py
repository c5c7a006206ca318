"""Standard input, output and errors that are closed, or cannot be written."""

import errno
import os
import sys
from typing import TextIO

_NOT_WRITABLE = {
    *(errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EBADF, errno.EAGAIN),
}
_GONE = {errno.EPIPE, errno.EIO}


def open_standard_descriptors() -> None:
    """Open closed ones: a socket that became descriptor 2 would receive the log.

    Writing to an output that was closed still fails; what is written to closed errors is lost.
    """
    for fd, flags in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest free number


def open_standard_streams() -> None:
    """Open the descriptors, and the streams that Python leaves out for closed ones."""
    open_standard_descriptors()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def is_not_writable(error: OSError) -> bool:
    """Whether this may be what writing to standard output fails with: no file has a name here."""
    return error.errno in _NOT_WRITABLE and error.filename is None


def is_gone(error: OSError) -> bool:
    """Whether the reader or the terminal has gone, as `head` does: nobody misses the rest."""
    return error.errno in _GONE


def unwritten(error: OSError) -> str:
    """What to say of output that could not be written."""
    why = "it is closed" if error.errno == errno.EBADF else (error.strerror or str(error)).lower()
    return f"cannot write to standard output: {why}"


def drop_unwritten(stream: TextIO) -> None:
    """Write what is buffered; where that fails, drop it, else it fails again at exit."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
