"""The text above and below the table: the agent, totals, and what is unusual."""

from datetime import datetime

from msgspec import Struct
from rich.text import Text

from nodnod_agent.console.top.lines import TAGS
from nodnod_agent.console.top.view_model import Totals
from nodnod_agent.console.units import counted, human_part, human_span, level_style, percent, plain

MAX_MISSED = 3
"""Missed answers after which the numbers are outdated."""


class ConnectionState(Struct, frozen=True):
    """The connection at Unix time ``wall``.

    ``age`` is the age in seconds of the answer shown, None before the first one. ``error`` is why
    there is no new answer. ``pattern`` is the filter, ``shown`` the number of nodes that match it.
    """

    wall: float = 0.0
    host: str = ""
    url: str = ""
    every: float = 1.0
    age: float | None = None
    error: str = ""
    paused: bool = False
    pattern: str = ""
    shown: int = 0

    @property
    def outdated(self) -> bool:
        """Whether the numbers are older than they should be."""
        late = self.age is not None and self.age > MAX_MISSED * self.every + 1
        return bool(self.error) or (late and not self.paused)


def heading(state: ConnectionState, total: Totals) -> Text:
    """Show how many nodes there are, how many have problems, which agent answered and when."""
    text = Text.assemble(("nodnod", "bold"), "  ", counted(total.nodes, "node"))
    for kind, count in total.problems.items():
        text.append("  ").append(f" {count} {kind.value.upper()} ", TAGS[kind])
    if state.age is not None:
        moment = datetime.fromtimestamp(state.wall - state.age).astimezone()
        text.append(f"  answered by {plain(state.host)} at {moment:%H:%M:%S}", "dim")
    return text


def totals_line(total: Totals) -> Text:
    """Show the mean CPU of all nodes, and the sums of memory and disks."""
    text = Text("All  CPU ", "dim")
    text.append(percent(total.cpu_used), level_style(total.cpu_used))
    for name, used, whole in (
        ("memory", total.memory_used, total.memory_total),
        ("disk", total.disk_used, total.disk_total),
    ):
        share = 100 * used / whole if whole else 0.0
        text.append(f"   {name} ", "dim").append(percent(share), level_style(share))
        text.append(f" {human_part(used, whole)}")
    return text


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
    parts = []
    if state.paused:
        parts.append(f"PAUSED  {age} ago; space resumes")
    if state.pattern:
        parts.append(f"filter {plain(state.pattern)!r}: {state.shown} shown; esc shows all")
    return Text(f" {' · '.join(parts)} ", "black on cyan") if parts else None
