"""The screen of all nodes: totals, the table, and the keys that sort and filter it."""

import contextlib
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from nodnod_agent.console.top.alert_lines import alerts_line
from nodnod_agent.console.top.header import ConnectionState, banner, heading, totals_line
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_agent.console.top.view_model import ORDERS, Row, sorted_rows, totals
from nodnod_client.alerts import AlertInfo


class Overview(Screen[None]):
    """Shows the rows given to ``show``, sorted and filtered by the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "next_order", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("e", "app.events", "Events"),
        Binding("space", "app.pause", "Pause"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        Binding("escape", "unfilter", "Show all", show=False),
        *(Binding(key[0], f"order('{key}')", f"By {key}", show=False) for key in ORDERS),
    ]

    DEFAULT_CSS = """
    Overview #heading, Overview #totals { height: 1; padding: 0 1; background: $surface; }
    Overview #alerts { height: 1; padding: 0 1; background: $surface; }
    Overview #banner { height: 1; }
    Overview #filter { height: 1; border: none; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._now = 0.0
        self._state = ConnectionState()
        self._alerts: Sequence[AlertInfo] = ()
        self._order, self._reverse, self._pattern = "name", False, ""

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Static(id="heading")
        yield Static(id="totals")
        yield Static(id="alerts")
        yield NodeTable()
        yield Static(id="banner")
        yield Input(id="filter", placeholder="part of a name, or a pattern: db-*, tag:role=db")
        yield Footer()

    def on_mount(self) -> None:
        """Show the rows that were given before the screen was composed."""
        self._leave_input()
        self._draw()

    def show(
        self,
        rows: Sequence[Row],
        now: float,
        state: ConnectionState,
        alerts: Sequence[AlertInfo] = (),
    ) -> None:
        """Show these rows; ``now`` is when they came, by the clock of their histories."""
        self._rows, self._now, self._state, self._alerts = rows, now, state, alerts
        self._draw()

    def on_node_table_title_clicked(self, message: NodeTable.TitleClicked) -> None:
        """Sort by the clicked column."""
        self.action_order(message.key)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Apply the filter as it is typed."""
        self._pattern = message.value.strip()
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter and return the keys to the table."""
        self._leave_input()

    def action_filter(self) -> None:
        """Open the input of the filter."""
        box = self.query_one(Input)
        box.display = True
        self.set_focus(box)  # at once: the next key already belongs to it

    def action_unfilter(self) -> None:
        """Show all nodes again."""
        self.query_one(Input).value = ""
        self._leave_input()

    def action_order(self, order: str) -> None:
        """Sort by ``order``; reverse if it is the sort key already."""
        self._reverse = order == self._order and not self._reverse
        self._order = order
        self._draw()

    def action_next_order(self) -> None:
        """Sort by the next column."""
        orders = list(ORDERS)
        self.action_order(orders[(orders.index(self._order) + 1) % len(orders)])

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.action_order(self._order)

    def _leave_input(self) -> None:
        self.query_one(Input).display = False
        self.set_focus(self.query_one(NodeTable))

    def _draw(self) -> None:
        # An answer can come before the screen is composed, or while it is removed.
        with contextlib.suppress(NoMatches):
            self._fill()

    def _fill(self) -> None:
        rows = sorted_rows(self._rows, self._order, reverse=self._reverse, pattern=self._pattern)
        state = msgspec.structs.replace(self._state, pattern=self._pattern, shown=len(rows))
        total = totals(self._rows)
        self.query_one("#heading", Static).update(heading(state, total))
        self.query_one("#totals", Static).update(totals_line(total))
        for place, line in (("#alerts", alerts_line(self._alerts)), ("#banner", banner(state))):
            strip = self.query_one(place, Static)
            strip.display = line is not None
            strip.update(line or "")
        table = self.query_one(NodeTable)
        table.outdated = state.outdated
        table.show(rows, self._order, reverse=self._reverse, now=self._now, wall=state.wall)
