"""The screen of all nodes: sums, the table, and the keys that choose what it shows."""

import contextlib
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from nodnod_agent.console.top.header import ConnectionState, banner, heading, sums
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_agent.console.top.view_model import ORDERS, Row, arranged, totals


class Overview(Screen[None]):
    """Shows what ``show`` is given, sorted and filtered as the keys say."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "next_order", "Sort"),
        Binding("r", "turn", "Reverse"),
        Binding("space", "app.pause", "Pause"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        Binding("escape", "unfilter", "Show all", show=False),
        Binding("n", "order('name')", "By name", show=False),
        Binding("c", "order('cpu')", "By CPU", show=False),
        Binding("m", "order('memory')", "By memory", show=False),
        Binding("d", "order('disk')", "By disk", show=False),
    ]

    DEFAULT_CSS = """
    Overview #heading, Overview #sums { height: 1; padding: 0 1; background: $surface; }
    Overview #banner { height: 1; }
    Overview #filter { height: 1; border: none; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._now = 0.0
        self._state = ConnectionState()
        self._order, self._turned, self._pattern = "name", False, ""

    def compose(self) -> ComposeResult:
        """See Screen."""
        yield Static(id="heading")
        yield Static(id="sums")
        yield NodeTable(id="nodes")
        yield Static(id="banner")
        yield Input(id="filter", placeholder="part of a name, or a pattern: db-*")
        yield Footer()

    def on_mount(self) -> None:
        """Nothing is typed yet; what is known already can be shown from now on."""
        self._leave_input()
        self._draw()

    def show(self, rows: Sequence[Row], now: float, state: ConnectionState) -> None:
        """Show these; ``now`` is when they were told, by the clock of their pasts."""
        self._rows, self._now, self._state = rows, now, state
        self._draw()

    def on_node_table_title_clicked(self, message: NodeTable.TitleClicked) -> None:
        """Sort by that column."""
        self.action_order(message.key)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter while somebody types."""
        self._pattern = message.value.strip()
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter, and let the keys go to the table again."""
        self._leave_input()

    def action_filter(self) -> None:
        """Ask what to show."""
        box = self.query_one(Input)
        box.display = True
        self.set_focus(box)  # at once: the next key is meant for it already

    def action_unfilter(self) -> None:
        """Show all again."""
        self.query_one(Input).value = ""
        self._leave_input()

    def action_order(self, order: str) -> None:
        """Sort by this; where it is so already, the other way round."""
        self._turned = order == self._order and not self._turned
        self._order = order
        self._draw()

    def action_next_order(self) -> None:
        """Sort by the next column."""
        orders = list(ORDERS)
        self.action_order(orders[(orders.index(self._order) + 1) % len(orders)])

    def action_turn(self) -> None:
        """Sort the other way round."""
        self.action_order(self._order)

    def _leave_input(self) -> None:
        self.query_one(Input).display = False
        self.set_focus(self.query_one(NodeTable))

    def _draw(self) -> None:
        # An answer can be faster than the screen is composed, or come while it is taken apart.
        with contextlib.suppress(NoMatches):
            self._fill()

    def _fill(self) -> None:
        shown = arranged(self._rows, self._order, turned=self._turned, pattern=self._pattern)
        state = msgspec.structs.replace(self._state, pattern=self._pattern, shown=len(shown))
        total = totals(self._rows)
        self.query_one("#heading", Static).update(heading(state, total))
        self.query_one("#sums", Static).update(sums(total))
        line, strip = banner(state), self.query_one("#banner", Static)
        strip.display = line is not None
        strip.update(line or "")
        table = self.query_one(NodeTable)
        table.old = state.old
        table.show(shown, self._order, turned=self._turned, now=self._now, wall=state.wall)
