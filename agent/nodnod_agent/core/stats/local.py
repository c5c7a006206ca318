"""This node's own share of every answer: its newest sample, encoded once per question."""

from collections.abc import Callable, Iterable

import msgspec

from nodnod_agent.core.encoding import granular
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.history import HistoryRing
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.codec import encode
from nodnod_client.messages import FullStats

Want = Callable[[Iterable[str], float], None]
"""Asks the sampler for sections that it takes on demand only, for so many seconds from now."""

WANTED_FOR = 5.0
"""Seconds that a section goes on being sampled after somebody asked; costs CPU, saves a wait."""


class LocalNode:
    """Holds the newest sample and the past; the request path reads nothing but this."""

    def __init__(self, name: str, *, interval: float, want: Want) -> None:
        self.name = name
        self._want = want
        self._history = HistoryRing(interval)
        self._stats = FullStats(name, 0.0, 0, 0, 0.0, 0, 0, 0.0, "no sample yet")
        self._sections: dict[str, bytes] = {}
        self._entries: dict[Question, bytes] = {}

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
        self._sections = sample.sections
        if sample.series:
            self._history.add(sample.clock, sample.time, sample.series)
        self._entries.clear()

    def stale(self, seconds: float) -> None:
        """Say of the numbers that they are so old: no sample has come since."""
        error = f"stale: last sampled {seconds:.1f} s ago"
        self._stats = msgspec.structs.replace(self._stats, error=error)
        self._entries.clear()

    def ready(self, question: Question) -> bool:
        """Whether all that ``question`` asks is at hand; if not, have it sampled."""
        missing = [section for section in question.detail if section not in self._sections]
        if question.detail:
            self._want(question.detail, WANTED_FOR)
        return not missing

    def entry(self, question: Question) -> bytes:
        """This node's object in the answer to ``question``."""
        entry = self._entries.get(question)
        if entry is None:
            entry = granular(self._stats, question.stat_type)
            if question.detail:
                sections = b",".join(map(self._section, question.detail))
                entry = b'%b,"detail":{%b}}' % (entry[:-1], sections)
            if question.history is not None:
                past = encode(self._history.answer(question.history))
                entry = b'%b,"history":%b}' % (entry[:-1], past)
            if len(self._entries) > 64:  # clients choose what they ask
                self._entries.clear()
            self._entries[question] = entry
        return entry

    def _section(self, name: str) -> bytes:
        value = self._sections.get(name, b'{"error":"not sampled in time"}')
        return b'"%b":%b' % (name.encode(), value)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0
