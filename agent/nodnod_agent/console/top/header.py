"""What stands above and below the table: who answers, sums, and what is not as it should be."""

from datetime import datetime

from msgspec import Struct
from rich.text import Text

from nodnod_agent.console.top.lines import TAGS
from nodnod_agent.console.top.view_model import Totals
from nodnod_agent.console.units import human_part, human_span, level, percent, plain

LATE_AFTER = 3
"""Ticks that stay away until the numbers are called old."""


class ConnectionState(Struct, frozen=True):
    """How it goes at ``wall``, in Unix seconds; ``age`` of what is shown, None before anything is."""

    wall: float = 0.0

    host: str = ""
    url: str = ""
    every: float = 1.0
    age: float | None = None
    trouble: str = ""
    paused: bool = False
    pattern: str = ""
    shown: int = 0

    @property
    def old(self) -> bool:
        """Whether the numbers are not of now."""
        late = self.age is not None and self.age > LATE_AFTER * self.every + 1
        return bool(self.trouble) or (late and not self.paused)


def heading(state: ConnectionState, total: Totals) -> Text:
    """How many nodes, how many of them in trouble, who answered, and when."""
    text = Text.assemble(("nodnod", "bold"), "  ", _count(total))
    for kind, count in total.wrong.items():
        text.append("  ").append(f" {count} {kind.value.upper()} ", TAGS[kind])
    if state.age is not None:
        text.append(f"  answered by {plain(state.host)} at {_clock(state.wall - state.age)}", "dim")
    return text


def sums(total: Totals) -> Text:
    """The whole cluster: CPU in the mean, memory and disks in sum."""
    text = Text("All  CPU ", "dim")
    text.append(percent(total.cpu_used), level(total.cpu_used))
    for name, used, whole in (
        ("memory", total.memory_used, total.memory_total),
        ("disk", total.disk_used, total.disk_total),
    ):
        share = 100 * used / whole if whole else 0.0
        text.append(f"   {name} ", "dim").append(percent(share), level(share))
        text.append(f" {human_part(used, whole)}")
    return text


def banner(state: ConnectionState) -> Text | None:
    """One line about what is not as usual; None where all is."""
    if state.trouble:
        text = f" CONNECTION LOST  {plain(state.trouble)}"
        if state.age is not None:
            text += f" · numbers are {human_span(state.age)} old"
        return Text(f"{text} · trying again ", "bold bright_white on red")
    if state.age is None:
        return Text(f" waiting for the first answer of {state.url} ", "black on yellow")
    if state.old:
        ago = human_span(state.age)
        return Text(f" NO NEWS  the last answer came {ago} ago ", "bold black on yellow")
    parts = []
    if state.paused:
        parts.append(f"PAUSED  as of {human_span(state.age)} ago; space goes on")
    if state.pattern:
        parts.append(f"filter {plain(state.pattern)!r}: {state.shown} shown; esc shows all")
    return Text(f" {' · '.join(parts)} ", "black on cyan") if parts else None


def _count(total: Totals) -> str:
    return "1 node" if total.nodes == 1 else f"{total.nodes} nodes"


def _clock(when: float) -> str:
    return datetime.fromtimestamp(when).astimezone().strftime("%H:%M:%S")
