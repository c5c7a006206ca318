"""Readings that cannot be true: a reading outside its range counts as unknown."""

from typing import TypeVar

Number = TypeVar("Number", int, float)


def within(low: float, value: Number | None, high: float) -> Number | None:
    """``value``, or None if it is none, or outside ``low`` to ``high``."""
    return value if value is not None and low <= value <= high else None


def celsius(value: Number | None) -> Number | None:
    """A temperature of a machine, or a limit of its hardware: -50 to 250 degrees."""
    return within(-50, value, 250)
