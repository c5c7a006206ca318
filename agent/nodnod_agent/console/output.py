"""Where answers go: a table that is redrawn or appended, JSON, or CSV."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from nodnod_agent.console.formats import as_csv, as_json
from nodnod_agent.console.table import cluster_view
from nodnod_agent.console.units import plain
from nodnod_client.messages import Answer

UNSEEN_WIDTH = 120
"""Columns to lay a table out for where no terminal says how wide it is."""


class Output(Protocol):
    """Takes answers, and what kept them from coming."""

    def show(self, answer: Answer) -> None:
        """Show one answer."""

    def trouble(self, what: str) -> None:
        """Say what keeps the next answer from coming."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def complain(what: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(f"nodnod: {plain(what)}\n")
    sys.stderr.flush()


class _Appended:
    def trouble(self, what: str) -> None:
        complain(what)

    def close(self) -> None:
        sys.stdout.flush()


class TableOutput(_Appended):
    """Appends one table after the other, with an empty line between them."""

    def __init__(self) -> None:
        self._console = console()
        self._before = ""

    def show(self, answer: Answer) -> None:
        """See Output."""
        sys.stdout.write(self._before)
        self._console.print(_view(self._console, answer))
        self._before = "\n"
        sys.stdout.flush()


class LiveTable:
    """Redraws one table in place; trouble stands below it until the next answer."""

    def __init__(self) -> None:
        self._console = console()
        self._last: RenderableType = Text("")
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def show(self, answer: Answer) -> None:
        """See Output."""
        self._last = _view(self._console, answer)
        self._live.update(self._last, refresh=True)

    def trouble(self, what: str) -> None:
        """See Output."""
        self._live.update(Group(self._last, Text(f"! {plain(what)}", "bold red")), refresh=True)

    def close(self) -> None:
        """See Output."""
        self._live.stop()


class JsonOutput(_Appended):
    """One answer indented for people, or each on a line of its own for programs."""

    def __init__(self, *, lines: bool) -> None:
        self._indent = 0 if lines else 2

    def show(self, answer: Answer) -> None:
        """See Output."""
        sys.stdout.write(as_json(answer, indent=self._indent) + "\n")
        sys.stdout.flush()


class CsvOutput(_Appended):
    """One line per node and answer, under one header."""

    def __init__(self) -> None:
        self._header = True

    def show(self, answer: Answer) -> None:
        """See Output."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sys.stdout.write(as_csv(answer, time, header=self._header))
        sys.stdout.flush()
        self._header = False


def _table(*, repeated: bool) -> Output:
    return LiveTable() if repeated and sys.stdout.isatty() else TableOutput()


FORMATS: dict[str, Callable[[bool], Output]] = {
    "table": lambda repeated: _table(repeated=repeated),
    "json": lambda repeated: JsonOutput(lines=repeated),
    "csv": lambda repeated: CsvOutput(),
}
"""By name; the argument says whether more than one answer will come."""


def console() -> Console:
    """A console on what is stdout now; without a terminal as wide as COLUMNS, or wide enough."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNSEEN_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _view(console: Console, answer: Answer) -> RenderableType:
    now = datetime.now().astimezone()
    return cluster_view(answer, width=console.width, when=now.strftime("%H:%M:%S"))
