"""Prints answers as a table that is redrawn or repeated, as JSON or as CSV."""

import asyncio
import contextlib
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

from rich.console import Console
from rich.text import Text

from nodnod_agent.console.fitted_table import cut_line
from nodnod_agent.console.formats import as_csv, as_json
from nodnod_agent.console.glyphs import ellipsis
from nodnod_agent.console.node_order import Order
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.units import plain
from nodnod_client.messages import Answer

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)

DEFAULT_WIDTH = 120
"""Characters of a layout if stdout is not a terminal and COLUMNS is not set; texts may be longer."""

_ENDLESS = 1_000_000
"""Characters of a line that is not broken."""


def print_error(text: str) -> None:
    """Print one line on stderr, if it can be written."""
    print_line(f"nodnod: {plain(text)}\n")


def print_line(line: str) -> None:
    """Print a whole line on stderr, if it can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line)
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

    def __call__(self, answer: A_contra, *, width: int, when: str) -> Sheet:
        """Return what to print."""


class _LiveTable(Output[A]):
    """Redraws one table in place, and when the terminal is resized.

    An error is shown below it until the next answer. It belongs to the event loop of its thread.
    """

    def __init__(self, view: View[A]) -> None:
        self._view = view
        self._console = console()
        self._last: tuple[A, str] | None = None
        self._error = ""
        self._height = 0
        """The lines that are drawn; the cursor is below them."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGWINCH, self._resized)
        self._write("\x1b[?25l")  # hides the cursor

    def show(self, answer: A) -> None:
        self._last, self._error = (answer, _time()), ""
        self._draw()

    def error(self, text: str) -> None:
        self._error = f"! {plain(text)}"
        self._draw()

    def close(self) -> None:
        self._loop.remove_signal_handler(signal.SIGWINCH)
        self._write("\x1b[?25h")

    def _resized(self) -> None:
        # How the terminal has broken the lines anew is not known: only a clear screen is.
        self._height = 0
        self._write("\x1b[H\x1b[2J")
        self._draw()

    def _draw(self) -> None:
        width, height = self._console.size
        room = height - 1 - bool(self._error)  # the cursor stands in a line of its own
        with self._console.capture() as captured:
            if self._last is not None:
                answer, when = self._last
                sheet = self._view(answer, width=width, when=when)
                sheet.height = room
                self._console.print(sheet)
            if self._error:
                dots = ellipsis(self._console.options.ascii_only)
                self._console.print(cut_line(Text(self._error, "bold red"), width, dots))
        lines = captured.get().splitlines()[: height - 1]
        up = f"\x1b[{self._height}A\r" if self._height else ""
        self._write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self._height = len(lines)

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def table(repeated: bool, view: View[A]) -> Output[A]:
    """Return an output of tables; ``repeated`` says whether to expect more than one answer."""
    if repeated and sys.stdout.isatty() and not console().is_dumb_terminal:
        return _LiveTable(view)
    return TextOutput(partial(_table, view))


def _table(view: View[A], answer: A, first: bool) -> str:
    screen = console()
    with screen.capture() as captured:
        screen.print(view(answer, width=layout_width(screen), when=_time()))
    return captured.get() if first else f"\n{captured.get()}"


def csv_table(order: Order | None) -> Output[Answer]:
    """Return an output of CSV, in this order or by name."""
    return TextOutput(lambda answer, first: as_csv(answer, timestamp(), header=first, order=order))


def json_text(repeated: bool) -> Output[Answer]:
    """Return an output of JSON: one line for each answer, or the only one indented."""
    return TextOutput(lambda answer, _: as_json(answer, indent=0 if repeated else 2) + "\n")


def timestamp() -> str:
    """Return the time as it is in CSV."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def console() -> Console:
    """Return a console on the current stdout; one that is no terminal cuts and breaks nothing."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _ENDLESS
    return _Console(width=width, highlight=False, markup=False, emoji=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, as other output does: rich would end the program."""
        raise  # it is being handled


def layout_width(console: Console) -> int:
    """Return the characters for which to lay out what is printed on ``console``."""
    return DEFAULT_WIDTH if console.width == _ENDLESS else console.width


def _time() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
