"""The file that keeps the history over a restart: read at the start, replaced now and then.

The work on files is done in daemon threads: a disk that hangs delays no request, the start by
``READ_WITHIN``, and the end by what ``stop`` is given.
"""

import asyncio
import contextlib
import errno
import logging
import os
import stat
import threading
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import TypeVar
from urllib.parse import quote

from nodnod_agent.collectors.moment import Moment, moment
from nodnod_agent.core.stats.history import History
from nodnod_agent.core.stats.snapshot import (
    MAX_SNAPSHOT,
    SnapshotError,
    encode_snapshot,
    restore,
)

SAVE_EVERY = 300.0
"""Seconds between two writes."""

READ_WITHIN = 10.0
"""Seconds after which the agent starts without its past; a disk may first have to spin up."""

WRITE_WITHIN = 60.0

MAX_QUOTED = 180
"""Bytes of a node's name in the name of its file, which may have 255."""

log = logging.getLogger("nodnod")

T = TypeVar("T")


class HistoryFile:
    """Keeps a history in a file of ``directory``, named after the node.

    A fault ends nothing. It is logged once, and again when it is another one.
    """

    def __init__(
        self,
        directory: str,
        name: str,
        history: History,
        *,
        now: Callable[[], Moment] = moment,
    ) -> None:
        self.path = os.path.join(directory, file_name(name))
        self._history = history
        self._now = now
        self._fault = ""
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        """Held by the thread that works on the file."""

    def start(self, then: Callable[[], None]) -> None:
        """Read the file, call ``then`` once the history is there or will not be, and keep it."""
        self._task = asyncio.get_running_loop().create_task(self._run(then))

    async def stop(self, within: float) -> None:
        """Write the file a last time; give up after so many seconds."""
        if self._task is not None:
            self._task.cancel()
        await self._save(within)

    async def _run(self, then: Callable[[], None]) -> None:
        await self._load()
        then()
        while True:
            await asyncio.sleep(SAVE_EVERY)
            if self._lock.locked():
                self._note("the last attempt has not ended")
            else:
                await self._save(WRITE_WITHIN)

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(READ_WITHIN):
                await self._read()
                await self._in_thread(partial(check_directory, self.path))
        except TimeoutError:
            self._note(f"no answer within {READ_WITHIN:g} s")
        except OSError as error:
            self._note(error.strerror or str(error))

    async def _read(self) -> None:
        try:
            data = await self._in_thread(partial(read_file, self.path))
            if data is None:
                return
            now = self._now()
            end = restore(self._history, data, now.clock, now.unix)
            ago = max(0.0, now.unix - end)
            log.info("Read the history, which ends %.0f s ago: %s", ago, self.path)
        except SnapshotError as error:
            text = "Cannot use the history in %s, which is set aside as %s: %s"
            log.warning(text, self.path, os.path.basename(bad_file(self.path)), error)
            await self._in_thread(partial(set_aside, self.path))

    async def _save(self, within: float) -> None:
        data = encode_snapshot(self._history)
        if not data:
            return
        try:
            async with asyncio.timeout(within):
                await self._in_thread(partial(replace_file, self.path, data))
        except TimeoutError:
            self._note(f"no answer within {within:g} s")
        except OSError as error:
            self._note(error.strerror or str(error))
        else:
            self._note("")

    def _note(self, fault: str) -> None:
        if fault and fault != self._fault:
            log.warning("Cannot keep the history in %s: %s", self.path, fault)
        elif self._fault and not fault:
            log.info("The history is kept again in %s", self.path)
        self._fault = fault

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """The result of ``work``, done in a thread of its own, one at a time. Raises what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def finish(result: Callable[[], None]) -> None:
            if not future.done():  # else nobody waits any more
                result()

        def run() -> None:
            with self._lock:
                try:
                    result = partial(future.set_result, work())
                except (OSError, SnapshotError) as error:
                    result = partial(future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(finish, result)

        try:
            threading.Thread(target=run, name="nodnod-state", daemon=True).start()
        except RuntimeError as error:  # a limit of threads
            raise OSError(str(error)) from None
        return await future


def file_name(node: str) -> str:
    """The name of the file of a node, whatever its name holds."""
    quoted = quote(node, safe="")
    if len(quoted) > MAX_QUOTED:
        quoted = f"{quoted[: MAX_QUOTED - 17]}-{sha256(node.encode()).hexdigest()[:16]}"
    return f"history-{quoted}"


def read_file(path: str) -> bytes | None:
    """A file, as much of it as a snapshot may have and a byte more; None if there is none.

    Raises OSError, and SnapshotError for what is no regular file.
    """
    try:
        # A FIFO without a writer does not block this.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
            raise SnapshotError("it is not a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SnapshotError("it is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            return file.read(MAX_SNAPSHOT + 1)
    finally:
        os.close(fd)


def check_directory(path: str) -> None:
    """Raise OSError if no file can be made beside that of this path."""
    os.close(_create(new_file(path)))
    os.unlink(new_file(path))


def replace_file(path: str, data: bytes) -> None:
    """Replace the file at once: after a crash the old one is there, or the new one. Raises OSError."""
    new = new_file(path)
    try:
        with open(_create(new), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some filesystems cannot
            os.fsync(directory)
    finally:
        os.close(directory)


def set_aside(path: str) -> None:
    """Rename a file that cannot be used; the one before is lost. Raises OSError."""
    os.replace(path, bad_file(path))


def new_file(path: str) -> str:
    """The path of a file that is not whole yet."""
    return f"{path}.new"


def bad_file(path: str) -> str:
    """The path of a file that is set aside."""
    return f"{path}.bad"


def _create(path: str) -> int:
    """Create a file that only its owner may read, in place of one that was left."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
