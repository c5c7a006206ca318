"""The text above and below the table: the agent, totals, and what is unusual."""

from datetime import datetime

from msgspec import Struct
from rich.text import Text

from nodnod_agent.console.top.fitting import first_fit
from nodnod_agent.console.top.lines import TAGS
from nodnod_agent.console.top.view_model import Totals
from nodnod_agent.console.units import counted, human_part, human_span, marked_percent, plain, rate

MAX_MISSED = 3
"""Missed answers after which the numbers are outdated."""


class ConnectionState(Struct, frozen=True):
    """The connection at Unix time ``wall``.

    ``age`` is the age in seconds of the answer shown, None before the first one. ``error`` is why
    there is no new answer. ``notice`` is what has happened to the connection lately. ``pattern`` is
    the filter, ``shown`` the number of nodes that match it.
    """

    wall: float = 0.0
    host: str = ""
    url: str = ""
    every: float = 1.0
    age: float | None = None
    error: str = ""
    notice: str = ""
    paused: bool = False
    pattern: str = ""
    shown: int = 0

    @property
    def outdated(self) -> bool:
        """Whether the numbers are older than they should be."""
        late = self.age is not None and self.age > MAX_MISSED * self.every + 1
        return bool(self.error) or (late and not self.paused)


def heading(state: ConnectionState, total: Totals, width: int) -> Text:
    """Show how many nodes there are, how many have problems, which agent answered and when."""
    nodes = Text(counted(total.nodes, "node"))
    for kind, count in total.problems.items():
        nodes.append("  ").append(f" {count} {kind.value.upper()} ", TAGS[kind])
    name = Text("nodnod  ", "bold")
    if state.age is None:
        return first_fit(width, (name + nodes, nodes))
    moment = datetime.fromtimestamp(state.wall - state.age).astimezone()
    clock, host = f"{moment:%H:%M:%S}", plain(state.host)
    answered = [
        Text(f"  {words}", "dim")
        for words in (f"answered by {host} at {clock}", f"{host} {clock}", clock)
    ]
    return first_fit(
        width, (*(name + nodes + words for words in answered), nodes + answered[-1], nodes)
    )


def totals_line(total: Totals, width: int) -> Text:
    """Show the mean CPU of all nodes, and the sums of memory, disks and network."""
    return first_fit(
        width,
        (
            _totals(total, sizes=True, network=True),
            _totals(total, sizes=False, network=True),
            _totals(total, sizes=True, network=False),
            _totals(total, sizes=False, network=False),
            _totals(total, sizes=False, network=False, brief=True),
        ),
    )


def _totals(total: Totals, *, sizes: bool, network: bool, brief: bool = False) -> Text:
    gap = "  " if brief else "   "
    text = Text().append("CPU " if brief else "All  CPU ", "dim")
    text.append_text(_share(total.cpu_used))
    for name, used, whole in (
        ("memory", total.memory_used, total.memory_total),
        ("disk", total.disk_used, total.disk_total),
    ):
        text.append(f"{gap}{name} ", "dim").append_text(
            _share(100 * used / whole if whole else None)
        )
        if sizes:
            text.append(f" {human_part(used, whole)}")
    if network and total.received is not None:
        text.append(f"{gap}network ", "dim").append(
            f"↓ {rate(total.received)} ↑ {rate(total.sent)}"
        )
    return text


def _share(value: float | None) -> Text:
    share = Text("-") if value is None else marked_percent(value)
    share.rstrip()
    return share


def banner(state: ConnectionState) -> Text | None:
    """Return one line about what is unusual; None if nothing is."""
    if state.error:
        text = f" CONNECTION LOST  {plain(state.error)}"
        if state.age is not None:
            text += f" · numbers are {human_span(state.age)} old"
        return Text(f"{text} · retrying ", "bold bright_white on red")
    if state.age is None:
        return Text(f" waiting for the first answer of {state.url} ", "black on yellow")
    age = human_span(state.age)
    if state.outdated:
        return Text(f" NO NEWS  the last answer came {age} ago ", "bold black on yellow")
    parts = [plain(state.notice)] if state.notice else []
    if state.paused:
        parts.append(f"PAUSED  {age} ago; space resumes")
    if state.pattern:
        parts.append(f"filter {plain(state.pattern)!r}: {state.shown} shown; esc shows all")
    return Text(f" {' · '.join(parts)} ", "black on cyan") if parts else None
