"""The screen of all nodes: totals, the table, and the keys that sort and filter it."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Input

from nodnod_agent.console.top.alert_lines import alerts_line
from nodnod_agent.console.top.fitting import Line, first_fit
from nodnod_agent.console.top.header import ConnectionState, banner, heading, totals_line
from nodnod_agent.console.top.keys import Key, KeyLine
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_agent.console.top.view_model import ORDERS, Row, sorted_rows, totals
from nodnod_client.alerts import AlertInfo


class Overview(Screen[None]):
    """Shows the rows given to ``show``, sorted and filtered by the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("s", "next_order", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("a", "app.alerts", "Alerts"),
        Binding("e", "app.events", "Events"),
        Binding("space", "app.pause", "Pause"),
        Binding("question_mark", "app.help", "Help"),
        Binding("q", "app.quit", "Quit"),
        Binding("escape", "unfilter", "Show all"),
        *(Binding(key[0], f"order('{key}')", f"By {key}") for key in ORDERS),
    ]

    DEFAULT_CSS = """
    Overview #heading, Overview #totals, Overview #alerts { padding: 0 1; }
    Overview #filter { height: 1; border: none; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._now = 0.0
        self._state = ConnectionState()
        self._alerts: Sequence[AlertInfo] = ()
        self._cores: Mapping[str, float] = {}
        self._order, self._reverse, self._pattern = "name", False, ""

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Line(id="heading")
        yield Line(id="totals")
        yield Line(id="alerts")
        yield NodeTable()
        yield Line(id="banner")
        yield Input(id="filter", placeholder="part of a name, or a pattern: db-*, tag:role=db")
        yield KeyLine(
            Key("⏎", "Details", "screen.open", 3),
            Key("/", "Filter", "screen.filter", 2),
            Key("s", "Sort", "screen.next_order", 5),
            Key("r", "Reverse", "screen.reverse", 8),
            Key("a", "Alerts", "app.alerts", 4),
            Key("e", "Events", "app.events", 6),
            Key("space", "Pause", "app.pause", 7),
            Key("?", "Help", "app.help", 0),
            Key("q", "Quit", "app.quit", 1),
        )

    def on_mount(self) -> None:
        """Show the rows that were given before the screen was composed."""
        self._leave_input()
        self._draw()

    def show(
        self,
        rows: Sequence[Row],
        now: float,
        state: ConnectionState,
        alerts: Sequence[AlertInfo],
        cores: Mapping[str, float],
    ) -> None:
        """Show these rows; ``now`` is when they came, by the clock of their histories.

        ``alerts`` are those of all nodes, ``cores`` are by name.
        """
        self._rows, self._now, self._state = rows, now, state
        self._alerts, self._cores = alerts, cores
        self._draw()

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
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

    def action_open(self) -> None:
        """Show all details of the node under the cursor."""
        self.query_one(NodeTable).action_open()

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
        total, width = totals(self._rows, self._cores), self.size.width - 2
        news = banner(state)
        self.query_one("#heading", Line).show(heading(state, total, width))
        self.query_one("#totals", Line).show(totals_line(total, width))
        self.query_one("#alerts", Line).show(alerts_line(self._alerts, width))
        self.query_one("#banner", Line).show(news and first_fit(self.size.width, (news,)))
        table = self.query_one(NodeTable)
        table.outdated = state.outdated
        table.show(rows, self._order, reverse=self._reverse, now=self._now, wall=state.wall)
