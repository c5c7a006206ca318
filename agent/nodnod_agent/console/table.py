"""The tables that commands have in common, and the lines below them."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from nodnod_agent.console.fitted_table import FittedTable
from nodnod_agent.console.units import plain


def headed_table(*, dense: bool = False) -> FittedTable:
    """Return an empty table with a line below its titles."""
    return FittedTable(rule=True, dense=dense)


def panel_table(*left: str, right: Sequence[str]) -> FittedTable:
    """Return an empty table for a panel: the titles of its columns of words, and of numbers.

    Where there is no room, a bar before the numbers is left out, then all but the first number,
    from the right. A note behind the numbers, without a title, stays.
    """
    table = FittedTable("dim", dense=True)
    for place, title in enumerate(left):
        table.column(title, least=6 if place else 8)
    leaving = [place for place, title in enumerate(right) if title][:0:-1]
    if not right[0]:
        leaving.insert(0, 0)
    for place, title in enumerate(right):
        rank = leaving.index(place) + 1 if place in leaving else 0
        table.column(title, right=True, leave=rank)
    return table


def error_lines(errors: Iterable[tuple[str, str]]) -> list[Text]:
    """Return a line for each pair of a node's name and its error that is not empty."""
    return [_error_line(plain(name), error) for name, error in errors if error]


def common_error_lines(errors: Iterable[tuple[str, str]]) -> list[Text]:
    """Return a line for each error that is not empty, with the first of the nodes that have it."""
    names: dict[str, list[str]] = {}
    for name, error in errors:
        names.setdefault(error, []).append(plain(name))
    return [
        _error_line(f"{one[0]} and {len(one) - 1} more" if len(one) > 1 else one[0], error)
        for error, one in names.items()
        if error
    ]


def _error_line(who: str, error: str) -> Text:
    return Text.assemble((f"✗ {who}", "bold red"), f": {plain(error)}")
