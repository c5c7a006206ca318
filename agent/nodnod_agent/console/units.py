"""Numbers and untrusted text in the form that people read in a terminal."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

_SPANS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

_LEVELS = ((90.0, "red", "◆"), (75.0, "yellow", "▲"), (0.0, "green", ""))
"""The lowest percentage of each style and mark; the first row that fits counts."""


def counted(count: int, noun: str) -> str:
    """``1 node``, ``3 nodes``."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def human_bytes(size: float) -> str:
    """``5699850240`` is ``5.3 GiB``: powers of 1024, three or four digits."""
    rest, unit = float(size), 0
    while rest >= 999.95 and unit < len(_UNITS) - 1:
        rest, unit = rest / 1024, unit + 1
    return f"{rest:.0f} {_UNITS[unit]}" if unit == 0 else f"{rest:.1f} {_UNITS[unit]}"


def rate(bytes_per_second: float | None) -> str:
    """Return a rate like ``5.3 MiB/s``; ``-`` if it is unknown."""
    return "-" if bytes_per_second is None else f"{human_bytes(bytes_per_second)}/s"


def human_part(used: float, total: float) -> str:
    """``5.3/8.0 GiB``: a part and its whole in the unit of the whole, at most 15 characters."""
    whole = human_bytes(total)
    number, unit = whole.split()
    if not total or unit == "B":
        return f"{used:.0f}/{whole}"
    return f"{used * float(number) / total:.1f}/{whole}"


def human_span(seconds: float) -> str:
    """``130`` is ``2 min``: a duration in one unit, rounded down; at most six characters."""
    size, unit = next((row for row in _SPANS if seconds >= row[0]), _SPANS[-1])
    return f"{max(0, int(seconds / size))} {unit}"


def local_time(at: float, *, short: bool = False) -> str:
    """``2026-11-30 16:40:02``, or ``11-30 16:40`` if ``short``: Unix seconds as local time."""
    try:
        when = datetime.fromtimestamp(at).astimezone()
    except (ValueError, OverflowError, OSError):  # beyond the years that a calendar has
        return f"{at:19.0f}"
    return when.strftime("%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S")


def percent(value: float) -> str:
    """``26.74`` is ``26.7 %``, in five to seven characters."""
    return f"{value:.1f} %"


def level_style(value: float) -> str:
    """Return the style of a percentage: green, yellow from 75, red from 90."""
    return _level(value)[0]


def level_mark(value: float) -> str:
    """Return the mark of a percentage, as colors are not visible to all: ▲ from 75, ◆ from 90."""
    return _level(value)[1]


def marked_percent(value: float) -> Text:
    """Return a percentage in the style of its level, with room for its mark: ``93.1 % ◆``."""
    style, mark = _level(value)
    return Text(f"{percent(value)} {mark or ' '}", style)


def _level(value: float) -> tuple[str, str]:
    return next((row[1:] for row in _LEVELS if value >= row[0]), ("green", ""))


def meter(value: float, width: int) -> Text:
    """Draw a bar of ``width`` characters, filled to ``value`` percent and colored by level."""
    filled = max(0, min(width, round(width * value / 100)))
    return Text.assemble(("━" * filled, level_style(value)), ("─" * (width - filled), "dim"))


def tags_text(tags: Mapping[str, str]) -> str:
    """``role=db site=eu-1``."""
    return plain(" ".join(f"{key}={value}" for key, value in sorted(tags.items())))


def plain(text: str, longest: int = 300) -> str:
    """Return untrusted text as one line, without control and text-direction characters."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(_visible(character) for character in cut)


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "\ufffd" if invisible else character
