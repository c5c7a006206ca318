"""This node's own share of every answer: its newest sample, encoded once per question."""

from nodnod.messages import FullStats
from nodnod_agent.core.entries import granular
from nodnod_agent.core.question import Question
from nodnod_agent.core.sample import Sample

__all__ = ["LocalNode"]


class LocalNode:
    """Holds the newest sample; the request path reads nothing but this."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stats = FullStats(name, 0.0, 0, 0, 0.0, 0, 0, 0.0, "no sample yet")
        self._entries: dict[int, bytes] = {}

    def update(self, sample: Sample) -> None:
        """Take the newest sample."""
        self._stats = FullStats(
            name=self.name,
            cpu_used=sample.cpu_used,
            disk_total=sample.disk_total,
            disk_used=sample.disk_used,
            disk_used_percent=_percent(sample.disk_used, sample.disk_total),
            memory_total=sample.memory_total,
            memory_used=sample.memory_used,
            memory_used_percent=_percent(sample.memory_used, sample.memory_total),
            error=sample.error,
        )
        self._entries.clear()

    def entry(self, question: Question) -> bytes:
        """This node's object in the answer to ``question``."""
        entry = self._entries.get(question.stat_type)
        if entry is None:
            entry = self._entries[question.stat_type] = granular(self._stats, question.stat_type)
        return entry


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0
