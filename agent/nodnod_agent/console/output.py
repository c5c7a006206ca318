"""Prints answers as a table that is redrawn or repeated, as JSON or as CSV."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from nodnod_agent.console.formats import as_csv, as_json
from nodnod_agent.console.units import plain
from nodnod_client.messages import Answer

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)

DEFAULT_WIDTH = 120
"""Columns of a table if stdout is not a terminal and COLUMNS is not set."""


def print_error(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"nodnod: {plain(text)}\n")
    sys.stderr.flush()


class Output(ABC, Generic[A]):
    """Prints answers, and the errors that prevented answers."""

    @abstractmethod
    def show(self, answer: A) -> None:
        """Print one answer."""

    def error(self, text: str) -> None:
        """Print why there is no answer."""
        print_error(text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        sys.stdout.flush()


class TextOutput(Output[A]):
    """Prints what ``render`` returns for an answer; it is told whether that is the first one."""

    def __init__(self, render: Callable[[A, bool], str]) -> None:
        self._render = render
        self._first = True

    def show(self, answer: A) -> None:
        """Print the text of one answer."""
        sys.stdout.write(self._render(answer, self._first))
        sys.stdout.flush()
        self._first = False


class View(Protocol[A_contra]):
    """Draws an answer for people: ``width`` in characters, and the time of the answer as text."""

    def __call__(self, answer: A_contra, *, width: int, when: str) -> RenderableType:
        """Return what to print."""


class _LiveTable(Output[A]):
    """Redraws one table in place; an error is shown below it until the next answer."""

    def __init__(self, view: View[A]) -> None:
        self._view = view
        self._console = console()
        self._last: RenderableType = Text("")
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def show(self, answer: A) -> None:
        self._last = _drawn(self._view, self._console, answer)
        self._live.update(self._last, refresh=True)

    def error(self, text: str) -> None:
        self._live.update(Group(self._last, Text(f"! {plain(text)}", "bold red")), refresh=True)

    def close(self) -> None:
        self._live.stop()


def table(repeated: bool, view: View[A]) -> Output[A]:
    """Return an output of tables; ``repeated`` says whether to expect more than one answer."""
    if repeated and sys.stdout.isatty():
        return _LiveTable(view)
    return TextOutput(partial(_table, view))


def _table(view: View[A], answer: A, first: bool) -> str:
    screen = console()
    with screen.capture() as captured:
        screen.print(_drawn(view, screen, answer))
    return captured.get() if first else f"\n{captured.get()}"


def _csv(answer: Answer, first: bool) -> str:
    return as_csv(answer, timestamp(), header=first)


def timestamp() -> str:
    """Return the time as it is in CSV."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


FORMATS: dict[str, Callable[[bool, View[Answer]], Output[Answer]]] = {
    "table": table,
    "json": lambda repeated, _: TextOutput(
        lambda one, _: as_json(one, indent=0 if repeated else 2) + "\n"
    ),
    "csv": lambda repeated, _: TextOutput(_csv),
}
"""Outputs by the name of their format; the arguments are those of ``table``."""


def console() -> Console:
    """Return a console on the current stdout."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else DEFAULT_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _drawn(view: View[A], console: Console, answer: A) -> RenderableType:
    now = datetime.now().astimezone()
    return view(answer, width=console.width, when=now.strftime("%H:%M:%S"))
