"""The screen that explains the keys and the marks."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from nodnod_agent.console.node_condition import Condition
from nodnod_agent.console.top.lines import tag

_ROWS = (
    ("↑ ↓ PgUp PgDn", "move; also j k g G, Home, End and the mouse"),
    ("Enter", "show all details of this node; Esc goes back"),
    ("n c m d", "sort by name, CPU, memory, disk; again: reverse"),
    ("s r", "sort by the next column; reverse"),
    ("/", "show nodes by a part of their name, or a pattern: db-*, tag:role=db"),
    ("", "in the details of a node: its processes, and their sums"),
    ("Esc", "show all of them again"),
    ("e", "show what has happened in the cluster; Esc goes back"),
    ("Space", "pause; again: resume"),
    ("? q", "this help; quit"),
    ("", ""),
    (tag(Condition.DOWN), "no connection; with the reason and the time since then"),
    (tag(Condition.ERROR), "could not read something, or did not answer in time"),
    (tag(Condition.STALE), "silent; the numbers are the last ones received"),
    (Text("▁▄█", "cyan"), "the last five minutes, from 0 to 100 %"),
    ("", ""),
    ("", Text("Nodes with problems always come first.", "dim")),
)


class Help(ModalScreen[None]):
    """Any of the bound keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,question_mark,enter,space", "dismiss", "Close")
    ]

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: round $primary;
        background: $surface;
    }
    Help Static { width: 1fr; height: auto; }
    """

    def compose(self) -> ComposeResult:
        """Lay out the table of explanations."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for mark, text in _ROWS:
            table.add_row(Text(mark, "bold") if isinstance(mark, str) else mark, text)
        with VerticalScroll():
            yield Static(table)
