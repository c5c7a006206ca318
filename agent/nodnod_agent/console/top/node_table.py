"""The table of nodes: a line each, a cursor, titles that stay; nothing but what is seen is drawn."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nodnod_agent.console.top.lines import Column, columns, node_line, title_line
from nodnod_agent.console.top.view_model import Row

_OLD = Style(dim=True)


class NodeTable(ScrollView, can_focus=True):
    """Shows rows in the order in which they are given.

    The cursor stays with its node wherever that is sorted to; until it is moved it stays on top.
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
        """Somebody wants to see all of this node."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class TitleClicked(Message):
        """Somebody wants the rows sorted by this column."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self.old = False
        """Whether what is shown is not of now."""
        self._order, self._turned = "name", False
        self._now = self._wall = 0.0
        self._chosen: str | None = None
        self._cursor = 0

    @property
    def chosen(self) -> str | None:
        """The name of the node under the cursor."""
        return self.rows[self._cursor].node.name if self.rows else None

    def show(
        self, rows: Sequence[Row], order: str, *, turned: bool, now: float, wall: float
    ) -> None:
        """Show these rows, which are sorted so. The moments are those of ``node_line``."""
        self.rows, self._order, self._turned = rows, order, turned
        self._now, self._wall = now, wall
        places = {row.node.name: place for place, row in enumerate(rows)}
        last = max(0, len(rows) - 1)
        self._cursor = 0 if self._chosen is None else places.get(self._chosen, self._cursor)
        self._cursor = min(self._cursor, last)
        self._fit()
        if self._chosen is not None:
            self._reveal()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the titles on top, then rows from where one has scrolled to."""
        width = self.scrollable_content_region.width
        layout = self._layout(width)
        if y == 0:
            return self._strip(title_line(layout, self._order, turned=self._turned), width)
        place = self.scroll_offset.y + y - 1
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        line = node_line(self.rows[place], layout, now=self._now, wall=self._wall)
        if self.old:
            line.stylize(_OLD)
        if place == self._cursor:
            line.stylize_before(self.get_component_rich_style("node-table--cursor"))
        return self._strip(line, width)

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        if self.rows:
            self._cursor = max(0, min(len(self.rows) - 1, self._cursor + by))
            self._chosen = self.chosen
            self._reveal()
            self.refresh()

    def action_move_page(self, by: int) -> None:
        """Move the cursor by so many pages."""
        self.action_move(by * max(1, self.scrollable_content_region.height - 1))

    def action_open(self) -> None:
        """Show all of the node under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    def on_click(self, event: events.Click) -> None:
        """A click on a title sorts, one on a row moves the cursor there, another one opens it."""
        if event.y == 0:
            end = 0
            for column in self._layout(self.scrollable_content_region.width):
                end += column.width + 2
                if event.x < end:
                    self.post_message(self.TitleClicked(column.key))
                    return
            return
        place = self.scroll_offset.y + event.y - 1
        if place == self._cursor and self._chosen is not None:
            self.action_open()
        elif place < len(self.rows):
            self.action_move(place - self._cursor)

    def on_resize(self) -> None:
        """The layout goes by the width, and less may be seen."""
        self._fit()
        if self._chosen is not None:
            self._reveal()

    def _layout(self, width: int) -> list[Column]:
        return columns(width)

    def _fit(self) -> None:
        size = Size(self.scrollable_content_region.width, len(self.rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size

    def _reveal(self) -> None:
        # A line higher than the row, for the titles that cover what is on top.
        self.scroll_to_region(
            Region(0, self._cursor, 1, 2), animate=False, force=True, x_axis=False
        )

    def _strip(self, text: Text, width: int) -> Strip:
        text.end = ""
        segments = list(text.render(self.app.console))
        strip = Strip(segments or [Segment("")]).adjust_cell_length(width, self.rich_style)
        return strip.apply_style(self.rich_style)
