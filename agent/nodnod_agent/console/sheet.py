"""A table with what belongs below it, in full or in as many lines as a terminal has."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment, Segments
from rich.text import Text

from nodnod_agent.console.fitted_table import FittedTable, cut_line
from nodnod_agent.console.glyphs import ellipsis
from nodnod_agent.console.table import common_error_lines, error_lines
from nodnod_agent.console.units import counted

_Block = list[RenderableType]
"""Lines that are shown together or not at all."""


class Sheet:
    """A table, a line for each error, a summary, and details, if any.

    ``errors`` are names and the errors of nodes, as ``error_lines`` takes them. ``trouble`` is how many
    of the first rows are of nodes in trouble: the others keep some room. ``noun`` is what a row is, and ``hint`` how to see more of them. ``height`` is the number of
    lines of the terminal; without it, all is shown.
    """

    def __init__(
        self,
        table: FittedTable,
        summary: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        notes: Sequence[Text] = (),
        trouble: int = 0,
        noun: str,
        hint: str,
    ) -> None:
        self.height: int | None = None
        self.details: list[RenderableType] = []
        self._table = table
        self._errors = [one for one in errors if one[1]]
        self._notes = [*notes, Text(summary, "dim")]
        self._trouble = trouble
        self._noun = noun
        self._hint = hint

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.height is not None:
            yield from self._fitted(console, options, self.height)
            return
        if self._table.row_count:
            yield self._table
        yield from (*error_lines(self._errors), *self._notes, *self.details)

    def _fitted(
        self, console: Console, options: ConsoleOptions, height: int
    ) -> Iterator[RenderableType]:
        """Yield at most ``height`` lines; the parts of the sheet get equal shares of the room."""
        dots = ellipsis(options.ascii_only)

        def cut(text: Text) -> Text:
            return cut_line(text, options.max_width, dots)

        head, rows = self._table.lines(console, options)
        head = head if rows else []
        foot = [line for note in self._notes for line in note.wrap(console, options.max_width)]
        if len(foot) > height // 4:
            foot = [cut(note) for note in self._notes]
        errors = error_lines(self._errors)
        if len(rows) + len(errors) > height:
            errors = common_error_lines(self._errors)
        details = console.render_lines(Group(*self.details), options, pad=False)
        parts: list[tuple[list[_Block], str]] = [
            ([[*row] for row in rows[: self._trouble]], f"{self._noun}: {self._hint}"),
            ([[*row] for row in rows[self._trouble :]], f"{self._noun}: {self._hint}"),
            ([[cut(error)] for error in errors], "error"),
            ([[Segments([*line, Segment.line()])] for line in details], "line: a taller terminal"),
        ]
        needs = [sum(map(len, blocks)) for blocks, _ in parts]
        shares = _shares(height - len(head) - len(foot), needs)
        shown = []
        for (blocks, what), room in zip(parts, shares, strict=True):
            found = _first(blocks, room)
            left = len(blocks) - len(found)
            noun, colon, hint = what.partition(":")
            more = f"{dots} {counted(left, f'more {noun}')}{colon}{hint}"
            ends = [cut(Text(more, "dim"))] if left and room else []
            shown.append([*(line for block in found for line in block), *ends])
        trouble, others, failures, rest = shown
        yield from (*head, *trouble, *others, *failures, *foot, *rest)


def _shares(room: int, needs: Sequence[int]) -> list[int]:
    """Divide the lines: what one does not need is for the others."""
    shares = [0] * len(needs)
    smallest_first = sorted(range(len(needs)), key=lambda place: needs[place])
    for done, place in enumerate(smallest_first):
        shares[place] = min(needs[place], max(0, room) // (len(needs) - done))
        room -= shares[place]
    return shares


def _first(blocks: Sequence[_Block], room: int) -> Sequence[_Block]:
    """Return the blocks that fit; where not all do, a line is left for the number of the others."""
    if sum(map(len, blocks)) <= room:
        return blocks
    ends = accumulate(map(len, blocks))
    return blocks[: sum(1 for end in ends if end < room)]
