"""The table of nodes: a line per node, a cursor, fixed titles; only what changes is drawn."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nodnod_agent.console.top.lines import Cell, columns, node_line, short_names, title_line
from nodnod_agent.console.top.view_model import Row

_OUTDATED = Style(dim=True)

_TITLE = Style(bold=True)


class _Line(NamedTuple):
    """A line as it was drawn: the number of its row, the width of the table, whether it is dimmed."""

    row: int
    width: int
    dim: bool
    cells: list[Cell]


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

    DEFAULT_CSS = """
    NodeTable { height: 1fr; scrollbar-size-horizontal: 0; }
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
        self._lines: dict[int, _Line] = {}
        """The lines that are on the screen, by their place in it."""
        self._names: dict[str, str] = {}
        self._names_of: object = None
        """The width, the names and which have alerts, of which ``_names`` are the short ones."""

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
        self._repaint()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen: the titles on top, below them the rows in view."""
        index, width = self._place(y)
        line = self._lines.get(y)
        if line is None or (line.row, line.width) != (index, width):
            line = self._lines[y] = self._line(index, width)
        segments = [segment for cell in line.cells for segment in cell.segments]
        strip = Strip(segments, sum(cell.width for cell in line.cells)).adjust_cell_length(width)
        return strip.apply_style(_OUTDATED) if line.dim else strip

    def _repaint(self) -> None:
        """Have those lines drawn again that are not what is on the screen, to their last new cell.

        All else would be bytes that a slow line has no room for.
        """
        changed = []
        for y in range(self.size.height):
            before, now = self._lines.get(y), self._line(*self._place(y))
            self._lines[y] = now
            if end := _end_of_change(before, now):
                changed.append(Region(0, y, end, 1))
        if changed:
            self.refresh(*changed)

    def _place(self, y: int) -> tuple[int, int]:
        """The index of the row in this line of the screen, -1 for the titles; the width of the table."""
        index = self.scroll_offset.y + y - 1 if y else -1
        return index, self.scrollable_content_region.width

    def _line(self, index: int, width: int) -> _Line:
        layout = columns(width)
        if index < 0:
            title = title_line(layout, self._order, reverse=self._reverse)
            return _Line(index, width, False, [Cell(len(title), (Segment(title, _TITLE),))])
        if index >= len(self.rows):
            return _Line(index, width, False, [])
        row, selected = self.rows[index], index == self._cursor
        name = self._short_names(layout[0].width)[row.node.name]
        cells = node_line(row, layout, name, now=self._now, wall=self._wall, selected=selected)
        return _Line(index, width, self.outdated, cells)

    def _short_names(self, width: int) -> dict[str, str]:
        key = width, tuple((row.node.name, bool(row.alerts)) for row in self.rows)
        if key != self._names_of:
            self._names_of, self._names = key, short_names(self.rows, width)
        return self._names

    def action_move(self, by: int) -> None:
        """Move the cursor by this many rows."""
        if self.rows:
            self._cursor = max(0, min(len(self.rows) - 1, self._cursor + by))
            self._selected = self.rows[self._cursor].node.name
            self.on_resize()
            self._repaint()

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
                    self.post_message(self.TitleClicked(column.order))
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


def _end_of_change(before: _Line | None, now: _Line) -> int:
    """The column of the screen behind the last cell that differs; 0 if none does."""
    if before is None or (before.width, before.dim) != (now.width, now.dim):
        return now.width
    if len(before.cells) != len(now.cells):
        return now.width
    column = end = 0
    for old, new in zip(before.cells, now.cells, strict=True):
        column += new.width
        if old != new:
            end = column
    return end
