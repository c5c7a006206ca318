"""The formats of a log line: on a terminal, in a file, as JSON.

No part of a line can look like another line, or send a command to a terminal.
"""

import json
from datetime import UTC, datetime

from msgspec import Struct


class LogLine(Struct, frozen=True):
    """The parts of one line. ``time`` is in Unix seconds, ``since`` in seconds since the start.

    ``message`` and the lines of ``trace`` must be printable.
    """

    level: str
    logger: str
    message: str
    time: float
    since: float
    trace: list[str] = []


def printable(text: str) -> str:
    """Return the text with unprintable characters escaped: ``\\n``, ``\\x1b``, ``\\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def on_terminal(line: LogLine) -> str:
    """Return ``INFO[0005] message``, with seconds since the start."""
    return _with_trace(f"{line.level[:4]}[{int(line.since):04}] {line.message}", line)


def as_text(line: LogLine) -> str:
    """Return ``2026-01-02T03:04:05.678Z INFO message``, for files and pipes."""
    return _with_trace(f"{_timestamp(line.time)} {line.level} {line.message}", line)


def as_json(line: LogLine) -> str:
    """Return an object: ``time``, ``level``, ``logger``, ``message``; ``traceback`` if any."""
    fields = {
        "time": _timestamp(line.time),
        "level": line.level.lower(),
        "logger": line.logger,
        "message": line.message,
    }
    if line.trace:
        fields["traceback"] = "\n".join(line.trace)
    return json.dumps(fields, ensure_ascii=False)


def _timestamp(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _with_trace(text: str, line: LogLine) -> str:
    # Indented, so that a line of a traceback does not look like a line of the log.
    return "\n    ".join([text, *line.trace])
