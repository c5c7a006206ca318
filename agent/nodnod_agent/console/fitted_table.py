"""A table that fits its terminal: no row ever breaks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.glyphs import ellipsis
from nodnod_agent.console.shortening import shorten

NAME = 16
"""Characters of a name that are worth more than a column that can be left out."""

_GAP = 2


class _Fit(NamedTuple):
    """What a column gives up where there is no room.

    ``least``: its texts may be shortened to so many characters; 0: never. ``leave``: when the column
    is left out, 1 first; 0: never. ``prose``: its texts then stand below their rows.
    """

    least: int = 0
    leave: int = 0
    prose: bool = False


class Lines(NamedTuple):
    """A table as lines: those of its head, and those of each row."""

    head: list[Text]
    rows: list[list[Text]]


class FittedTable(Table):
    """Leaves columns out and shortens texts until it fits the width it is given.

    ``titles`` is the style of the titles; ``rule`` draws a line below them. In a ``dense`` table the
    columns are worth more than long names and room between them.
    """

    def __init__(self, titles: str = "bold", *, rule: bool = False, dense: bool = False) -> None:
        super().__init__(box=None)
        self._titles = titles
        self._rule = rule
        self._dense = dense
        self._fits: dict[int, _Fit] = {}

    def column(
        self,
        title: str,
        *,
        right: bool = False,
        least: int = 0,
        leave: int = 0,
        prose: bool = False,
        width: int | None = None,
    ) -> None:
        """Add a column. ``width`` is how wide it is at least where there is room; see _Fit."""
        self._fits[len(self.columns)] = _Fit(least, leave, prose)
        self.add_column(title, justify="right" if right else "left", width=width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head, rows = self.lines(console, options)
        yield from head
        for row in rows:
            yield from row

    def lines(self, console: Console, options: ConsoleOptions) -> Lines:
        """Return the lines for the width that the options have."""
        room, dots = options.max_width, ellipsis(options.ascii_only)
        cells = [self._cells(place, dots) for place in range(len(self.columns))]
        texts = [[cell.plain for cell in column] for column in cells]
        natural = [self._natural(place, column) for place, column in enumerate(texts)]
        widths, gap = _fit(natural, self._fits, room, dense=self._dense)
        shown = {place: _fitted(cells[place], width, dots) for place, width in widths.items()}
        titles = [
            cut_line(Text(_title(self.columns[place].header)), widths[place], dots).plain
            for place in shown
        ]
        head = [self._joined([Text(title, self._titles) for title in titles], widths, gap)]
        if self._rule:
            head.append(_line(Text("─" * (sum(widths.values()) + gap * (len(widths) - 1)))))
        below = [
            cells[place] for place, fit in self._fits.items() if fit.prose and place not in shown
        ]
        rows = []
        for number in range(self.row_count):
            row = [column[number] for column in shown.values()]
            rows.append([self._joined(row, widths, gap)])
            for text in (column[number] for column in below if column[number]):
                wrapped = text.wrap(console, max(1, room - _GAP))
                rows[-1] += [_line(Text(" " * _GAP).append_text(part)) for part in wrapped]
        return Lines(head, rows)

    def _natural(self, place: int, texts: Sequence[str]) -> int:
        """Return the width of a column with enough room; 0 for one that may be left out and is empty."""
        if place in self._fits and self._fits[place].leave and not any(texts):
            return 0
        column = self.columns[place]
        return max([column.width or 0, cell_len(_title(column.header)), *map(cell_len, texts)])

    def _cells(self, place: int, dots: str) -> list[Text]:
        cells = []
        for cell in self.columns[place].cells:
            text = cell.copy() if isinstance(cell, Text) else Text(str(cell))
            if len(dots) > 1 and "…" in text.plain:  # would become wider when it is written
                text = Text(text.plain.replace("…", dots), text.style)
            text.stylize_before(self.columns[place].style)
            cells.append(text)
        return cells

    def _joined(self, cells: Sequence[Text], widths: Mapping[int, int], gap: int) -> Text:
        line = Text()
        for cell, (place, width) in zip(cells, widths.items(), strict=True):
            blanks = " " * max(0, width - cell.cell_len)
            right = self.columns[place].justify == "right"
            line.append(blanks if right else "").append_text(cell)
            line.append(" " * gap if right else blanks + " " * gap)
        line.rstrip()
        return _line(line)


def _fitted(cells: list[Text], width: int, dots: str) -> list[Text]:
    """Return the cells of a column, none of them wider than ``width``."""
    long = [cell.plain for cell in cells]
    if max(map(cell_len, long), default=0) <= width:
        return cells
    return [
        cell if cell.plain == text else Text(text, cell.style)
        for cell, text in zip(cells, shorten(long, width, dots), strict=True)
    ]


def _fit(
    natural: Sequence[int], fits: Mapping[int, _Fit], room: int, *, dense: bool
) -> tuple[dict[int, int], int]:
    """Return the widths of the columns that are shown, by their places, and of the gap."""
    widths = {place: width for place, width in enumerate(natural) if width}
    fit = {place: fits.get(place, _Fit()) for place in widths}

    def excess(gap: int) -> int:
        return sum(widths.values()) + gap * (len(widths) - 1) - room

    def spare(place: int, floor: int) -> int:
        return max(0, widths[place] - floor) if fit[place].least else 0

    for rank in sorted({one.leave for one in fit.values()} - {0}):
        spared = sum(spare(place, fit[place].least if dense else NAME) for place in widths)
        if excess(1 if dense else _GAP) <= spared:
            break
        widths = {place: width for place, width in widths.items() if fit[place].leave != rank}
    gap = _GAP
    if excess(gap) > sum(spare(place, fit[place].least) for place in widths):
        gap = 1
    for floor in (None, 1):  # below its least only where nothing else helps
        while (more := excess(gap)) > 0:
            floors = {place: floor or fit[place].least for place in widths}
            widest = max(widths, key=lambda place: (spare(place, floors[place]) > 0, widths[place]))
            if not spare(widest, floors[widest]):
                break
            others = [widths[p] for p in widths if p != widest and spare(p, floors[p])]
            step = max(1, widths[widest] - max(others, default=0))
            widths[widest] -= min(more, step, spare(widest, floors[widest]))
    return widths, gap


def cut_line(text: Text, width: int, dots: str) -> Text:
    """Return the text as one line of at most ``width`` characters, cut at its end."""
    line = text.copy()
    if line.cell_len > width:
        room = width - len(dots)
        line.truncate(room if room > 0 else width, overflow="crop")
        line.rstrip()
        line.append(dots if room > 0 else "")
    return _line(line)


def _line(text: Text) -> Text:
    """Return the text as a line that never breaks, however narrow the terminal is."""
    text.no_wrap, text.overflow = True, "crop"
    return text


def _title(header: object) -> str:
    return header.plain if isinstance(header, Text) else str(header)
