"""The log handler: writes lines to stderr without ever delaying the agent.

A log call puts a line into a bounded queue, and a thread writes it. So a pipe without a reader, a
full disk or a closed stderr costs only lines. ``N log lines dropped`` takes their place as soon as
writing works again.

The same message is written at most ten times a minute, then counted. Messages are the same if they
have the same logger, the same format string and the same ``extra={"key": …}`` (any hashable value).
Below WARNING only records with a key are limited.
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

QUEUE_BYTES = 1024 * 1024
"""Memory for lines that wait while stderr is blocked: some 4,000 lines."""

LINE_OVERHEAD = 128
"""Bytes that a queued line takes besides its text."""

MAX_MESSAGE = 2000
MAX_TRACEBACK = 16_000


class LogWriter(logging.Handler):
    """Writes log records to a file descriptor, from a thread of its own.

    Writing to a pipe or terminal may block forever, and nothing ends a blocked write: so the
    thread is a daemon.
    """

    def __init__(
        self, fd: int, form: Callable[[LogLine], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._fd = fd
        self._form = form
        self._clock = clock
        self._started = clock()
        self._limiter = LogRateLimit()
        self._changed = threading.Condition()
        # Guarded by the condition. Each line has the number of lines dropped before it.
        self._queue: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._dropped = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, count it as a repetition, or drop it. Never waits."""
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
                line = self._line_of(record, now)
                if repeated is not None:
                    repeated.last = line
                self._put(line)
        except Exception:  # noqa: BLE001  # a log call with wrong arguments must do no harm
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Log that a log call failed. The default prints to stderr, and so may block."""
        text = record.msg if isinstance(record.msg, str) else type(record.msg)
        message = f"bad log call: {text!r}: {sys.exc_info()[1]!r}"
        with self._changed:
            self._put(self._own_line("ERROR", message))

    def stop(self, within: float = 0.5) -> None:
        """Write the queued lines, but give up after ``within`` seconds."""
        with self._changed:
            self._put_counts(float("inf"))
            self._stopping = True
            self._changed.notify()
        self._thread.join(within)

    def _line_of(self, record: logging.LogRecord, now: float) -> LogLine:
        trace: list[str] = []
        if record.exc_info and record.exc_info[0]:
            text = "".join(traceback.format_exception(*record.exc_info))
            trace = [printable(line) for line in text[-MAX_TRACEBACK:].rstrip().split("\n")]
        return LogLine(
            level=record.levelname,
            logger=record.name,
            message=printable(_truncated(record.getMessage())),
            time=record.created,
            since=now - self._started,
            trace=trace,
        )

    def _own_line(self, level: str, message: str, logger: str = __name__) -> LogLine:
        since = self._clock() - self._started
        return LogLine(level, logger, printable(_truncated(message)), time.time(), since)

    def _put_counts(self, now: float) -> None:
        for repeated in self._limiter.ended(now):
            if isinstance(repeated.last, LogLine):
                message = f"{repeated.last.message} … and {repeated.suppressed} more like it"
                self._put(self._own_line(repeated.last.level, message, repeated.last.logger))

    def _put(self, line: LogLine) -> None:
        data = self._encoded(line)
        size = len(data) + LINE_OVERHEAD
        if self._size + size > QUEUE_BYTES:
            self._dropped += 1
            return
        self._queue.append((self._dropped, data))
        self._dropped = 0
        self._size += size
        self._changed.notify()

    def _encoded(self, line: LogLine) -> bytes:
        return self._form(line).encode("utf-8", "backslashreplace") + b"\n"

    # The thread.

    def _run(self) -> None:
        dropped = 0
        is_torn = False
        """Whether the last line was written in part."""
        while (item := self._take()) is not None:
            dropped_before, data = item
            dropped += dropped_before
            if dropped:
                s = "" if dropped == 1 else "s"
                note = self._encoded(self._own_line("WARNING", f"{dropped} log line{s} dropped"))
                if _write(self._fd, b"\n" + note if is_torn else note) == 0:
                    dropped, is_torn = 0, False
            unwritten = _write(self._fd, data)
            if unwritten:
                dropped += 1
                is_torn = is_torn or unwritten < len(data)

    def _take(self) -> tuple[int, bytes] | None:
        """Wait for the next line and the number of lines dropped before it; None at the end."""
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
            dropped, data = self._queue.popleft()
            self._size -= len(data) + LINE_OVERHEAD
            return dropped, data


def _kind(record: logging.LogRecord) -> Hashable | None:
    """Which records count as the same message; None if the record is not limited."""
    key: Hashable | None = getattr(record, "key", None)
    if key is None and record.levelno < logging.WARNING:
        return None
    text = record.msg if isinstance(record.msg, str) else type(record.msg)
    return record.name, text, key


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _write(fd: int, data: bytes) -> int:
    """Write, however long it takes; return how many bytes could not be written."""
    rest = data
    while rest:
        try:
            rest = _write_some(fd, rest)
        except (OSError, ValueError):
            break
    return len(rest)


def _write_some(fd: int, data: bytes) -> bytes:
    try:
        return data[os.write(fd, data) :]
    except BlockingIOError:  # another process that shares the pipe made it non-blocking
        select.select([], [fd], [], 1.0)
        return data


# The process.


@contextmanager
def to_descriptor(
    fd: int, *, debug: bool = False, log_format: Literal["text", "json"] = "text"
) -> Iterator[LogWriter]:
    """Send the log of the whole process to ``fd``; at the end wait half a second for queued lines.

    Warnings and uncaught errors, which Python prints to stderr and so may block, are logged too.
    """
    text = on_terminal if os.isatty(fd) else as_text
    writer = LogWriter(fd, as_json if log_format == "json" else text)
    root = logging.getLogger()
    before = root.level, threading.excepthook, sys.unraisablehook
    root.addHandler(writer)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # Finding the source line of a log call takes as long as all the rest, and no format shows it.
    logging._srcfile = None  # noqa: SLF001  # as the HOWTO of logging says
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # the transport logs what matters
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_unraisable
    try:
        yield writer
    finally:
        level, threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(False)
        root.setLevel(level)
        root.removeHandler(writer)
        writer.stop()


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "?"
        log.error("Thread %s ended with an error", name, exc_info=args.exc_value)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    what = args.err_msg or "Exception ignored in"
    log.error("%s: %r", what, args.object, exc_info=args.exc_value)
