"""The ``custom`` section: numbers that others write into the files of one directory.

Nothing is ever run, and no symbolic link in the directory is followed: where it led would be read
with the rights of the agent.
"""

import os
import stat
import time
from collections.abc import Callable
from typing import NamedTuple

from msgspec import UNSET

from nodnod_agent.collectors.custom_formats import (
    MAX_NUMBERS,
    Content,
    Series,
    parse_json,
    parse_prom,
    summary,
    too_many,
)
from nodnod_agent.collectors.kernel_files import text
from nodnod_client.codec import encode
from nodnod_client.sections import Custom, CustomFamily, CustomFile, CustomNumber

MAX_BYTES = 1024 * 1024
"""Bytes of all files together."""

MAX_FILES = 256

MAX_JSON = 256 * 1024
"""Bytes of all numbers as JSON: a client is cut when a megabyte waits for it."""

_PARSERS: dict[str, Callable[[bytes, str], Content]] = {".prom": parse_prom, ".json": parse_json}


class _UnreadableError(Exception):
    """Says why a file of the directory is not read."""


class _Parsed(NamedTuple):
    """What a file held, and of which version; another one if the file may have changed."""

    version: tuple[int, ...]
    content: Content


class CustomCollector:
    """Reads the files ``*.prom`` and ``*.json`` of ``directory``; None for no such section.

    A file whose last change is more than ``max_age`` seconds away is stale. ``wall`` is the wall
    clock. A file is parsed again only when it has changed.
    """

    def __init__(
        self,
        directory: str | None = None,
        max_age: float = 3600.0,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._max_age = max_age
        self._wall = wall
        self._parsed: dict[str, _Parsed] = {}

    def read(self, now: float) -> Custom | None:
        """The current section. Raises OSError if the directory cannot be read."""
        if self._directory is None:
            return None
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            names = sorted(filter(_is_custom, os.listdir(directory)))
            room = _Room()
            rows = [self._row(directory, name, room) for name in names[:MAX_FILES]]
        finally:
            os.close(directory)
        self._parsed = {name: self._parsed[name] for name in names if name in self._parsed}
        files = [row for row in rows if row is not None]
        if more := len(names) - len(rows):
            error = f"this file and all that follow, {more}, are not read: at most {MAX_FILES} are"
            files.append(CustomFile(text(names[MAX_FILES]), None, stale=False, error=error))
        return Custom(files, room.numbers, room.families)

    def reset(self) -> None:
        """Forget what the files held."""
        self._parsed = {}

    def _row(self, directory: int, name: str, room: "_Room") -> CustomFile | None:
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            modified = status.st_mtime
            content = self._content(directory, name, status, room)
        except FileNotFoundError:  # removed or renamed just now
            return None
        except (OSError, _UnreadableError) as error:
            self._parsed.pop(name, None)
            why = error.strerror if isinstance(error, OSError) else None
            return CustomFile(text(name), None, stale=False, error=why or str(error))
        faults = room.admit(content)
        return CustomFile(
            text(name),
            modified,
            stale=abs(self._wall() - modified) > self._max_age,
            error=summary(faults) or UNSET,
        )

    def _content(self, directory: int, name: str, status: os.stat_result, room: "_Room") -> Content:
        _check(status)
        room.take_bytes(status.st_size)
        version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._parsed.get(name)
        if known is None or known.version != version:
            content = _PARSERS[os.path.splitext(name)[1]](_data(directory, name), text(name))
            known = self._parsed[name] = _Parsed(version, content)
        return known.content


class _Room:
    """The numbers of the files of one reading, and what the others may still hold."""

    def __init__(self) -> None:
        self.numbers: list[CustomNumber] = []
        self.families: list[CustomFamily] = []
        self._bytes = MAX_BYTES
        self._json = MAX_JSON
        self._seen: set[Series] = set()

    def take_bytes(self, size: int) -> None:
        """Take the size of a file. Raises _UnreadableError if it is too large."""
        if size > self._bytes:
            whose = "it has" if size > MAX_BYTES else "with those before it there are"
            raise _UnreadableError(f"not read: {whose} more than {MAX_BYTES // 1024} KiB")
        self._bytes -= size

    def admit(self, content: Content) -> list[str]:
        """Take the numbers of a file that there is room for; all faults of the file."""
        faults = [*content.faults]
        for family in content.families.values():
            size = len(encode(family)) + 1
            if size <= self._json:  # without room its numbers have no type
                self._json -= size
                self.families.append(family)
        for series, number in content.numbers.items():
            size = len(encode(number)) + 1
            if series in self._seen:
                faults.append(f"{number.name} is in a file before this one, too; that one counts")
            elif len(self._seen) == MAX_NUMBERS:
                faults.append(too_many())
                break
            elif size > self._json:
                faults.append(f"more than {MAX_JSON // 1024} KiB as JSON; the rest is left out")
                break
            else:
                self._json -= size
                self._seen.add(series)
                self.numbers.append(number)
        return faults


def _is_custom(name: str) -> bool:
    """Not those that are hidden: they are being written, to be renamed when they are whole."""
    return os.path.splitext(name)[1] in _PARSERS and not name.startswith(".")


def _check(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _UnreadableError("a symbolic link, which is not followed")
    if not stat.S_ISREG(status.st_mode):
        raise _UnreadableError("not a regular file")


def _data(directory: int, name: str) -> bytes:
    # It may have become a FIFO, whose opening would wait, or a link.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=directory), "rb") as file:
        _check(os.fstat(file.fileno()))
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _UnreadableError(f"not read: it has more than {MAX_BYTES // 1024} KiB")
    return data
