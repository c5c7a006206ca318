"""Interim: the sampling teammate replaces this file (see brief)."""

from collections.abc import Mapping


class History:
    """Interim."""

    def __init__(self, every: float, span: float = 3600) -> None:
        self._every = every
        self._rows: list[tuple[float, dict[str, float]]] = []

    def add(self, time_mono: float, time_unix: float, series: Mapping[str, float]) -> None:
        """Interim."""
        self._rows.append((time_unix, dict(series)))
        del self._rows[:-3600]

    def answer(self, seconds: float, points: int = 600) -> dict[str, object]:
        """Interim."""
        return {"every": self._every, "end": self._rows[-1][0] if self._rows else 0.0}
