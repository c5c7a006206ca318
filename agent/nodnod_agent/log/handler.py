"""The agent's log: lines on stderr that never hold the agent up, however stderr behaves.

Whoever logs puts a line into a bounded queue and goes on; a thread of our own writes. So a pipe
that nobody reads, a full disk or a closed stderr costs lines, and ``N log lines dropped`` stands
where they are missing as soon as something gets through again.

Two more rules hold for every line. What does not print is escaped, so that nobody forges a line or
commands a terminal through a name that we log. And the same complaint comes at most ten times a
minute, then as a count; the same is: same logger, same format string, and same
``extra={"key": …}`` where the record carries one (any hashable value). Below WARNING only records
that carry a key are limited.
"""

import logging
import os
import select
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Literal

from nodnod_agent.log.format import LogLine, as_json, as_text, on_terminal, printable
from nodnod_agent.log.rate_limit import LogRateLimit

log = logging.getLogger(__name__)

# What waits to be written while stderr is stuck: some 4,000 lines. Raising it costs as much memory.
QUEUE_BYTES = 1024 * 1024
LINE_OVERHEAD = 128  # bytes that a queued line takes beside its text
MAX_MESSAGE = 2000
MAX_TRACEBACK = 16_000


class LogWriter(logging.Handler):
    """Writes what is logged to a file descriptor, from a thread that may wait for ever.

    The thread is needed because writing to a pipe or terminal blocks, and is a daemon because
    nothing else ends a blocked write.
    """

    def __init__(
        self,
        fd: int,
        form: Callable[[LogLine], str] = as_text,
        clock: Callable[[], float] = time.monotonic,
        limiter: LogRateLimit | None = None,
    ) -> None:
        super().__init__()
        self._fd = fd
        self._form = form
        self._clock = clock
        self._started = clock()
        self._limiter = limiter or LogRateLimit()
        self._changed = threading.Condition()
        # All below are guarded by it. A line waits with the number of those dropped before it.
        self._queue: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._dropped = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, count it as one more of its kind, or drop it; never waits."""
        try:
            kind = _kind(record)
            now = self._clock()
            with self._changed:
                self._put_counts(now)
                repeated = None
                if kind is not None:
                    repeated = self._limiter.admit(kind, now)
                    if repeated is None:
                        return
                entry = self._entry(record, now)
                if repeated is not None:
                    repeated.last = entry
                self._put(entry)
        except Exception:  # noqa: BLE001  # a log call with the wrong arguments must not hurt
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Log that a log call failed: the standard way prints to stderr, and so may wait."""
        said = record.msg if isinstance(record.msg, str) else type(record.msg)
        message = f"bad log call: {said!r}: {sys.exc_info()[1]!r}"
        with self._changed:
            self._put(self._own("ERROR", message))

    def stop(self, within: float = 0.5) -> None:
        """Write what is queued, but give up after ``within`` seconds."""
        with self._changed:
            self._put_counts(float("inf"))
            self._stopping = True
            self._changed.notify()
        self._thread.join(within)

    def _entry(self, record: logging.LogRecord, now: float) -> LogLine:
        trace: list[str] = []
        if record.exc_info and record.exc_info[0]:
            text = "".join(traceback.format_exception(*record.exc_info))
            trace = [printable(line) for line in text[-MAX_TRACEBACK:].rstrip().split("\n")]
        return LogLine(
            level=record.levelname,
            logger=record.name,
            message=printable(_cut(record.getMessage())),
            time=record.created,
            since=now - self._started,
            trace=trace,
        )

    def _own(self, level: str, message: str, logger: str = __name__) -> LogLine:
        since = self._clock() - self._started
        return LogLine(level, logger, printable(_cut(message)), time.time(), since)

    def _put_counts(self, now: float) -> None:
        for repeated in self._limiter.ended(now):
            if isinstance(repeated.last, LogLine):
                message = f"{repeated.last.message} … and {repeated.suppressed} more like it"
                self._put(self._own(repeated.last.level, message, repeated.last.logger))

    def _put(self, entry: LogLine) -> None:
        line = self._line(entry)
        size = len(line) + LINE_OVERHEAD
        if self._size + size > QUEUE_BYTES:
            self._dropped += 1
            return
        self._queue.append((self._dropped, line))
        self._dropped = 0
        self._size += size
        self._changed.notify()

    def _line(self, entry: LogLine) -> bytes:
        return self._form(entry).encode("utf-8", "backslashreplace") + b"\n"

    # -- in the thread

    def _run(self) -> None:
        missing = 0
        torn = False
        while (item := self._take()) is not None:
            dropped, line = item
            missing += dropped
            if missing:
                s = "" if missing == 1 else "s"
                note = self._line(self._own("WARNING", f"{missing} log line{s} dropped"))
                if _write(self._fd, b"\n" + note if torn else note) == 0:
                    missing, torn = 0, False
            left = _write(self._fd, line)
            if left:
                missing += 1
                torn = torn or left < len(line)

    def _take(self) -> tuple[int, bytes] | None:
        """The next line, with the number of those missing before it; None when all is done."""
        with self._changed:
            while not self._queue:
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    return dropped, b""
                if self._stopping:
                    return None
                end = self._limiter.next_end()
                self._changed.wait(None if end is None else max(0.0, end - self._clock()))
                self._put_counts(self._clock())
            dropped, line = self._queue.popleft()
            self._size -= len(line) + LINE_OVERHEAD
            return dropped, line


def _kind(record: logging.LogRecord) -> Hashable | None:
    key: Hashable | None = getattr(record, "key", None)
    if key is None and record.levelno < logging.WARNING:
        return None
    text = record.msg if isinstance(record.msg, str) else type(record.msg)
    return record.name, text, key


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _write(fd: int, line: bytes) -> int:
    """Write a line, for as long as it takes; return how many bytes could not be written."""
    rest = line
    while rest:
        try:
            rest = _write_some(fd, rest)
        except (OSError, ValueError):
            break
    return len(rest)


def _write_some(fd: int, line: bytes) -> bytes:
    try:
        return line[os.write(fd, line) :]
    except BlockingIOError:  # somebody who shares the pipe has made it non-blocking
        select.select([], [fd], [], 1.0)
        return line


# -- the process ---------------------------------------------------------------------------------


@contextmanager
def to_descriptor(
    fd: int, *, debug: bool = False, log_format: Literal["text", "json"] = "text"
) -> Iterator[LogWriter]:
    """Send all that the process logs to ``fd``; at the end give stuck lines half a second.

    What would otherwise print to stderr, and so may wait, is logged too: warnings, and errors that
    no caller can catch.
    """
    text = on_terminal if os.isatty(fd) else as_text
    writer = LogWriter(fd, as_json if log_format == "json" else text)
    root = logging.getLogger()
    before = root.level, threading.excepthook, sys.unraisablehook
    root.addHandler(writer)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # No line names its place in the code, which takes as long to find as all the rest.
    logging._srcfile = None  # noqa: SLF001  # as the HOWTO of logging says
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # the pump says what matters
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_end
    sys.unraisablehook = _log_unraisable
    try:
        yield writer
    finally:
        level, threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(False)
        root.setLevel(level)
        root.removeHandler(writer)
        writer.stop()


def _log_thread_end(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "?"
        log.error("Thread %s ended with an error", name, exc_info=args.exc_value)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    what = args.err_msg or "Exception ignored in"
    log.error("%s: %r", what, args.object, exc_info=args.exc_value)
