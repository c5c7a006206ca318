"""This node's own part of every answer: its newest sample, encoded once per question."""

from collections.abc import Callable, Iterable

import msgspec

from nodnod_agent.core.encoding import encode_node
from nodnod_agent.core.fitting import fit_node
from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.question import MATCHED, Question
from nodnod_agent.core.stats.history import History
from nodnod_agent.core.stats.rates import percent
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.codec import encode
from nodnod_client.messages import FullStats

Want = Callable[[Iterable[str], float], None]
"""Asks the sampler for on-demand sections, by their keys, for so many seconds from now."""

WANTED_FOR = 5.0
"""Seconds for which a section is sampled after a request for it; costs CPU, saves a wait."""

MISSED_INTERVALS = 3
"""Intervals without a sample after which this node's numbers are called stale."""

LATE = 1.25
"""Intervals after which a sample is late."""

MAX_ENTRIES = 64

MAX_ERROR = 1000
"""Characters of an error: other agents refuse a node object of more than 16 KiB."""

MAX_MATCHES = 16
"""Patterns for processes that are sampled at the same time; clients choose them."""

TOO_MANY_MATCHES = f"more than {MAX_MATCHES} different `match` within {WANTED_FOR:g} s"


class LocalNode:
    """The newest sample and the history; requests read nothing else.

    ``interval`` is the seconds between two samples.
    """

    def __init__(self, name: str, *, interval: float, want: Want, clock: Clock) -> None:
        self.name = name
        self.version = 0
        """The number of changes of what it answers."""
        self._interval = interval
        self._want = want
        self._clock = clock
        self.history = History(interval)
        """The past of this node."""
        self._stats = FullStats(name, 0.0, 0, 0, 0.0, 0, 0, 0.0, "no sample yet")
        self._sections: dict[str, bytes] = {}
        self._entries: dict[Question, bytes] = {}
        self._matches: dict[str, float] = {}
        """Pattern for processes -> until when it is sampled."""
        self._sample_time = 0.0
        self._sampled_at = clock.time()
        self._missed = 0
        """Intervals without a sample."""
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to look for missing samples."""
        self._check_in(self._interval)

    def stop(self) -> None:
        """Look for them no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def update(self, sample: Sample) -> None:
        """Take the newest sample."""
        if sample.time != self._sample_time:  # else the same one with on-demand sections
            self._sample_time, self._sampled_at, self._missed = sample.time, self._clock.time(), 0
            if self._timer is not None:  # while samples come in time, the event loop is not woken
                self._timer.cancel()
                self._check_in(LATE * self._interval)
        self._stats = FullStats(
            name=self.name,
            cpu_used=sample.cpu_used,
            disk_total=sample.disk_total,
            disk_used=sample.disk_used,
            disk_used_percent=percent(sample.disk_used, sample.disk_total),
            memory_total=sample.memory_total,
            memory_used=sample.memory_used,
            memory_used_percent=percent(sample.memory_used, sample.memory_total),
            error=shortened(sample.error),
        )
        self._sections = sample.sections
        if sample.series:
            self.history.add(sample.clock, sample.time, sample.series)
        self._changed()

    @property
    def stale_for(self) -> float:
        """Seconds since the newest sample if samples are missing; else 0."""
        return self._clock.time() - self._sampled_at if self._missed > MISSED_INTERVALS else 0.0

    @property
    def now(self) -> float:
        """The time by this node's clock, in Unix seconds, as its newest sample tells it."""
        return self._sample_time + self._clock.time() - self._sampled_at

    def ago(self, question: Question) -> float | None:
        """How many seconds ago a history is to end; None for one that ends now."""
        if question.until is None:
            return question.ago
        return round(max(0.0, self.now - question.until), 3)

    def ready(self, question: Question) -> bool:
        """Whether all sections of ``question`` are there; they are sampled from now on."""
        if not question.detail:
            return True
        keys = [question.key(section) for section in question.detail]
        if question.match is not None and not self._sampled(question.match):
            keys.remove(question.key(MATCHED))  # its error is there at once
        self._want(keys, WANTED_FOR)
        return all(key in self._sections for key in keys)

    def entry(self, question: Question) -> bytes:
        """This node's object in the answer to ``question``."""
        entry = self._entries.get(question)
        if entry is None:
            entry = encode_node(self._stats, question.stat_type)
            if question.detail:
                sections = b",".join(self._section(name, question) for name in question.detail)
                entry = b'%b,"detail":{%b}}' % (entry[:-1], sections)
            if question.history is not None:
                until = question.until
                if question.ago is not None:
                    until = round(self.now - question.ago, 3)
                history = encode(self.history.answer(question.history, until=until))
                entry = b'%b,"history":%b}' % (entry[:-1], history)
            if not question.plain:
                entry = fit_node(entry, question.room)
            if len(self._entries) > MAX_ENTRIES:  # clients choose what they ask
                self._entries.clear()
            self._entries[question] = entry
        return entry

    def _check_in(self, seconds: float) -> None:
        self._timer = self._clock.call_at(self._clock.time() + seconds, self._check)

    def _check(self) -> None:
        # Intervals are counted, not seconds: after this process stood still, a sample is on its way.
        self._check_in(self._interval)
        self._missed += 1
        if self._missed > MISSED_INTERVALS:
            error = f"stale: last sampled {self.stale_for:.1f} s ago"
            self._stats = msgspec.structs.replace(self._stats, error=error)
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._entries.clear()

    def _sampled(self, match: str) -> bool:
        """Whether a pattern is sampled from now on."""
        now, matches = self._clock.time(), self._matches
        if match not in matches and len(matches) >= MAX_MATCHES:
            self._matches = matches = {one: end for one, end in matches.items() if end > now}
            if len(matches) >= MAX_MATCHES:
                return False
        matches[match] = now + WANTED_FOR
        return True

    def _section(self, name: str, question: Question) -> bytes:
        value = self._sections.get(question.key(name))
        if value is None:
            refused = name == MATCHED and question.match not in (None, *self._matches)
            value = encode({"error": TOO_MANY_MATCHES if refused else "not sampled in time"})
        return b'"%b":%b' % (name.encode(), value)


def shortened(error: str) -> str:
    """The first faults of an error, which lists them with semicolons, and how many more there are."""
    if len(error) <= MAX_ERROR:
        return error
    told = error[:MAX_ERROR].rpartition("; ")[0] or f"{error[:MAX_ERROR]}…"
    left = error.count("; ") - told.count("; ")
    return f"{told}; and {left} more" if left else told
