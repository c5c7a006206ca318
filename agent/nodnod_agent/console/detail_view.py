"""The cluster as a table, and below it the sections and the past of each node."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from msgspec import UNSET
from rich.console import RenderableType
from rich.text import Text

from nodnod_agent.console.cluster_view import BY_NAME, cluster_view
from nodnod_agent.console.fitted_table import FittedTable
from nodnod_agent.console.node_order import Order
from nodnod_agent.console.output import View
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.top.history import downsample, kept_text
from nodnod_agent.console.top.lines import sparkline
from nodnod_agent.console.top.node_panel import panel
from nodnod_agent.console.units import human_span, percent, plain, rate
from nodnod_agent.core.encoding import NO_MATCH, NO_UNTIL, answers_match
from nodnod_agent.core.question import MATCHED
from nodnod_client.messages import Answer, NodeStats

_HOUR = 3600

_NUMBERS_WIDTH = 70
"""Characters of a line of the past beside its sparkline."""

_LEAST_CELLS = 10
"""Characters of the shortest sparkline; where there is no room for it, there is none."""


class _Past(msgspec.Struct):
    """A history object with any series."""

    every: float
    end: float
    until: float | None
    kept_by: str
    series: Mapping[str, list[float | None]]


def detail_view(
    sections: Iterable[str],
    history: float | None,
    match: str | None = None,
    until: float | None = None,
    order: Order = BY_NAME,
) -> View[Answer]:
    """Return the view of answers with these sections, and so many seconds of history.

    ``match`` is the pattern of the processes that were asked for, ``until`` the end of the history.
    """
    names = list(dict.fromkeys(sections))

    def view(answer: Answer, *, width: int, when: str) -> Sheet:
        now = time.time()
        hint = "--sort, --nodes or a taller terminal"
        sheet = cluster_view(answer, width=width, when=when, order=order, hint=hint)
        if not names and history is None:
            return sheet
        for node in order.sorted(answer.nodes.values(), now):
            sheet.details += [Text(""), Text(plain(node.name), "bold reverse")]
            if history is not None:
                sheet.details += [*_history(node, width, now, until)]
            sheet.details += [*_sections(node, names, width, now, match)]
        return sheet

    return view


def _sections(
    node: NodeStats, names: list[str], width: int, now: float, match: str | None
) -> Iterator[RenderableType]:
    if node.detail is UNSET or not isinstance(node.detail, dict):
        if names:
            yield Text(_why_nothing(node, "details"), "dim")
        return
    for name in names:
        section = node.detail.get(name)
        if match is not None and name == MATCHED and not answers_match(section):
            section = {"error": NO_MATCH}
        yield panel(name, section, width, now)


def _history(
    node: NodeStats, width: int, now: float, until: float | None
) -> Iterator[RenderableType]:
    past = _past(node.history)
    if past is None:
        yield Text(_why_no_history(node), "dim")
        return
    if until is not None and past.until is None:
        yield Text(f"No history: {NO_UNTIL}", "dim")
        return
    series = past.series
    span = max(map(len, series.values()), default=0) * past.every
    if until is not None and not span:
        yield Text("No history: nothing so old is known any more.", "dim")
        return
    steps = f"by {human_span(past.every)}" if span > _HOUR else ""
    title = f"The last {human_span(span)}"
    if until is not None and not past.kept_by:
        title = f"{human_span(span)} until {human_span(max(0.0, now - past.end))} ago"
    if kept := kept_text(past.kept_by, past.end, now):
        yield Text(title + kept, "bold")
        title = ""
    room = width - _NUMBERS_WIDTH
    table = _history_table(title, steps)
    for name, values in series.items():
        known = _known(values)
        if not known or (name.endswith("Max") and name[:-3] in series):
            continue
        write = _writer(name)
        highest = max(known + _known(series.get(f"{name}Max", [])))
        top = 100.0 if _in_percent(name) else max(known)
        mean = sum(known) / len(known)
        numbers = map(write, (min(known), mean, highest, known[-1]))
        line = ""
        if room >= _LEAST_CELLS:
            line = sparkline(downsample(values, room, round(past.end / past.every)), top)
        table.add_row(Text(plain(name)), Text(line, "cyan"), *numbers)
    yield table


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _history_table(title: str, steps: str) -> FittedTable:
    """A table of the numbers, with a column of sparklines under the title ``steps``."""
    table = headed_table(dense=True)
    table.column(title, least=12)
    table.column(steps, leave=1)
    for place, name in enumerate(("Lowest", "Mean", "Highest")):
        table.column(name, right=True, leave=place + 2)
    table.column("Last", right=True)
    return table


def _past(raw: object) -> _Past | None:
    """Return a node's history; None if there is none or it is invalid."""
    try:
        fields = msgspec.convert(raw, dict[str, object])
        past = msgspec.convert(
            {
                "every": fields.pop("every", None),
                "end": fields.pop("end", None),
                "until": fields.pop("until", None),
                "kept_by": fields.pop("keptBy", ""),
                "series": {name: one for name, one in fields.items() if isinstance(one, list)},
            },
            _Past,
        )
    except msgspec.ValidationError:
        return None
    return past if past.every > 0 else None


def _writer(name: str) -> Callable[[float], str]:
    if name.endswith("Bytes"):
        return rate
    if _in_percent(name):
        return percent
    return lambda value: f"{value:.2f}"


def _in_percent(name: str) -> bool:
    return name.endswith(("Percent", "Pressure")) or name.startswith("cpu")


def _why_no_history(node: NodeStats) -> str:
    error = node.history.get("error") if isinstance(node.history, dict) else None
    if isinstance(error, str):
        return f"No history: {plain(error)}"
    return _why_nothing(node, "history")


def _why_nothing(node: NodeStats, what: str) -> str:
    return f"No {what} now." if node.error else f"No {what}: the node speaks version 1."
