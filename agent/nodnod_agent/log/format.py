"""What a line of the log looks like: on a terminal, in a file, as JSON.

Nothing in a line can be taken for another line, or for a command to a terminal.
"""

import json
from datetime import UTC, datetime

from msgspec import Struct


class LogLine(Struct, frozen=True):
    """One line to be: ``time`` in Unix seconds, ``since`` in seconds since the start.

    ``message`` and the lines of ``trace`` are printable already.
    """

    level: str
    logger: str
    message: str
    time: float
    since: float
    trace: list[str] = []


def printable(text: str) -> str:
    """The text with what does not print written as ``\\n``, ``\\x1b``, ``\\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def on_terminal(entry: LogLine) -> str:
    """``INFO[0005] message``: seconds since the start are what one wants while watching."""
    return _traced(f"{entry.level[:4]}[{int(entry.since):04}] {entry.message}", entry)


def as_text(entry: LogLine) -> str:
    """``2026-01-02T03:04:05.678Z INFO message``, for files and pipes."""
    return _traced(f"{_moment(entry.time)} {entry.level} {entry.message}", entry)


def as_json(entry: LogLine) -> str:
    """One object: ``time``, ``level``, ``logger``, ``message``, and ``traceback`` if there is one."""
    line = {
        "time": _moment(entry.time),
        "level": entry.level.lower(),
        "logger": entry.logger,
        "message": entry.message,
    }
    if entry.trace:
        line["traceback"] = "\n".join(entry.trace)
    return json.dumps(line, ensure_ascii=False)


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _traced(line: str, entry: LogLine) -> str:
    # Indented, so that no line of a traceback can pass for a line of the log.
    return "\n    ".join([line, *entry.trace])
