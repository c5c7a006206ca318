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
    ("n c m d t", "sort by name, CPU, memory, disk, traffic; again: reverse"),
    ("s r", "sort by the next column; reverse"),
    ("/", "show nodes by a part of their name, or a pattern: db-*, tag:role=db"),
    ("", "in the details of a node: its processes, and their sums"),
    ("Esc", "show all of them again"),
    ("a", "show the alerts, and those that are over; Esc goes back"),
    ("e", "show what has happened in the cluster; Esc goes back"),
    ("Space", "pause; again: resume"),
    ("? q", "this help; quit"),
    ("", ""),
    (tag(Condition.DOWN), "no connection; with the reason and the time since then"),
    (tag(Condition.ERROR), "could not read something"),
    (tag(Condition.STALE), "no answer in time; the numbers are the last ones received"),
    (Text.assemble(("93.1%◆", "red"), " ", ("80.0%▲", "yellow")), "from 90 %; from 75 %"),
    (
        Text.assemble(("◆2", "bold red"), " ", ("▲1", "bold yellow")),
        "so many alerts fire; ◆: one is critical",
    ),
    (Text("▁▄█", "cyan"), "the last five minutes, from 0 to 100 %"),
    ("In/s Out/s", "bytes that real interfaces receive and send in a second"),
    ("", ""),
    (
        "",
        Text(
            "Nodes in trouble come first in every order: down, error, stale, a critical alert.",
            "dim",
        ),
    ),
    ("", Text("When the agent is lost, another member is asked.", "dim")),
)


class Help(ModalScreen[None]):
    """Any of the bound keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,question_mark,enter,space", "dismiss", "Close")
    ]

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: round ansi_blue;
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
