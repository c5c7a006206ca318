"""The table of nodes: a line per node, a cursor, fixed titles; only visible lines are drawn."""

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nodnod_agent.console.top.lines import columns, node_line, title_line
from nodnod_agent.console.top.view_model import Row

_OUTDATED = Style(dim=True)


class NodeTable(ScrollView, can_focus=True):
    """Shows rows in the given order.

    The cursor is on the first row until it is moved; then it follows its node.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Details", key_display="⏎"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {"node-table--cursor"}

    DEFAULT_CSS = """
    NodeTable { height: 1fr; background: $background; scrollbar-size-horizontal: 0; }
    NodeTable .node-table--cursor { background: $primary-darken-3; }
    """

    class Opened(Message):
        """The user wants to see all details of this node."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class TitleClicked(Message):
        """The user wants the rows sorted by this column."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self.outdated = False
        """Whether to draw the numbers dimmed."""
        self._order, self._reverse = "name", False
        self._now = self._wall = 0.0
        self._selected: str | None = None
        """The name of the node that the cursor follows."""
        self._cursor = 0

    def show(
        self, rows: Sequence[Row], order: str, *, reverse: bool, now: float, wall: float
    ) -> None:
        """Show these sorted rows; ``now`` and ``wall`` are those of ``node_line``."""
        self.rows, self._order, self._reverse = rows, order, reverse
        self._now, self._wall = now, wall
        indices = {row.node.name: index for index, row in enumerate(rows)}
        cursor = 0 if self._selected is None else indices.get(self._selected, self._cursor)
        self._cursor = max(0, min(len(rows) - 1, cursor))
        self.on_resize()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen: the titles on top, below them the rows in view."""
        width = self.scrollable_content_region.width
        layout = columns(width)
        if y == 0:
            return self._strip(title_line(layout, self._order, reverse=self._reverse), width)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        line = node_line(self.rows[index], layout, now=self._now, wall=self._wall)
        if self.outdated:
            line.stylize(_OUTDATED)
        if index == self._cursor:
            line.stylize_before(self.get_component_rich_style("node-table--cursor"))
        return self._strip(line, width)

    def action_move(self, by: int) -> None:
        """Move the cursor by this many rows."""
        if self.rows:
            self._cursor = max(0, min(len(self.rows) - 1, self._cursor + by))
            self._selected = self.rows[self._cursor].node.name
            self.on_resize()
            self.refresh()

    def action_move_page(self, by: int) -> None:
        """Move the cursor by this many pages."""
        self.action_move(by * max(1, self.scrollable_content_region.height - 1))

    def action_open(self) -> None:
        """Show all details of the node under the cursor."""
        if self.rows:
            self.post_message(self.Opened(self.rows[self._cursor].node.name))

    def on_click(self, event: events.Click) -> None:
        """Sort by a clicked title; move the cursor to a clicked row, or open it if it is there."""
        if event.y == 0:
            end = 0
            for column in columns(self.scrollable_content_region.width):
                end += column.width + 2
                if event.x < end:
                    self.post_message(self.TitleClicked(column.key))
                    return
            return
        index = self.scroll_offset.y + event.y - 1
        if index == self._cursor and self._selected is not None:
            self.action_open()
        elif index < len(self.rows):
            self.action_move(index - self._cursor)

    def on_resize(self) -> None:
        """Adapt the scrollable size, and keep a moved cursor in view."""
        size = Size(self.scrollable_content_region.width, len(self.rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if self._selected is not None:
            # One line above the row too: the titles cover the first line in view.
            row = Region(0, self._cursor, 1, 2)
            self.scroll_to_region(row, animate=False, force=True, x_axis=False)

    def _strip(self, text: Text, width: int) -> Strip:
        text.end = ""
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width, self.rich_style)
        return strip.apply_style(self.rich_style)
