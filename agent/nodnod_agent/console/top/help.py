"""What the keys do and what the marks mean."""

from typing import ClassVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from nodnod_agent.console.node_condition import Condition
from nodnod_agent.console.top.lines import tag

_KEYS = (
    ("↑ ↓ PgUp PgDn", "move; also j k g G, Home, End and the mouse"),
    ("Enter", "all of this node; Esc goes back"),
    ("n c m d", "sort by name, CPU, memory, disk; again: reversed"),
    ("s r", "sort by the next of them; reverse"),
    ("/", "show nodes by a part of their name, or a pattern: db-*"),
    ("Esc", "show all again"),
    ("Space", "hold what is shown; again: go on"),
    ("? q", "this help; leave"),
)

_MARKS = {
    Condition.DOWN: "no connection to it; why, and for how long",
    Condition.ERROR: "something could not be read, or not in time",
    Condition.STALE: "not heard just now: its numbers are the last ones",
}


class Help(ModalScreen[None]):
    """Any of these keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,question_mark,enter,space", "dismiss", "Close")
    ]

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 76; height: auto; max-height: 100%; padding: 0 2; border: round $primary;
        background: $surface;
    }
    Help Static { width: 1fr; height: auto; }
    """

    def compose(self) -> ComposeResult:
        """See Screen."""
        with VerticalScroll():
            yield Static(_text())


def _text() -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for key, what in _KEYS:
        table.add_row(Text(key, "bold"), what)
    table.add_row("", "")
    for kind, what in _MARKS.items():
        table.add_row(tag(kind), what)
    table.add_row(Text("▁▄█", "cyan"), "the last five minutes, from 0 to 100 %")
    table.add_row("", "")
    table.add_row("", Text("Nodes in trouble come first, whatever one sorts by.", "dim"))
    return table
