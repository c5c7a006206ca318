"""The sampler: the threads that read this machine, so that the event loop never does.

One thread takes all cheap sections every interval. The costly ones have a second thread, which
starts when somebody first wants one: a driver that hangs must not stop the numbers that everybody
asks for. Both are daemon threads that nobody joins.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable

import msgspec

from nodnod_agent.collectors.machine import Machine, Moment, Timing, collectors_here, moment
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.sections import EXPENSIVE

logger = logging.getLogger(__name__)

WARM_UP = 0.15
"""Seconds between the first two readings, before which there is no share of anything.

Long enough for 15 steps of the kernel's CPU counters on each core.
"""


def due_after(due: float, now: float, interval: float) -> float:
    """When the tick after the one that was due at ``due`` and is over at ``now`` is due.

    On schedule while ticks keep up. One that came late by half an interval or more (the agent
    was stopped, the machine slept) starts the schedule anew, so that the next interval is not a
    tiny one.
    """
    following = due + interval
    return following if following - now > interval / 2 else now + interval


class Sampler:
    """Delivers a Sample to the event loop every ``interval`` seconds.

    ``deliver`` is called on ``loop``; never after ``stop``. ``want`` and ``timings`` may be called
    from any thread. The thread that takes the readings never waits for a mount or a costly
    section.
    """

    def __init__(
        self,
        interval: float,
        deliver: Callable[[Sample], None],
        *,
        loop: asyncio.AbstractEventLoop,
        version: str = "",
        machine: Machine | None = None,
        now: Callable[[], Moment] = moment,
    ) -> None:
        self._interval = interval
        self._deliver = deliver
        self._loop = loop
        self._machine = machine or Machine(collectors_here(version))
        self._now = now
        self._changed = threading.Condition()
        self._stopped = False
        self._newest: Sample | None = None
        self._wanted: dict[str, float] = {}  # section -> until when
        self._costly: dict[str, bytes] = {}  # what the newest look at each gave
        self._due: set[str] = set()  # to be looked at now
        self._costly_thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the first Sample comes after two readings, 0.15 s apart."""
        threading.Thread(target=self._run, name="nodnod-sampler", daemon=True).start()

    def want(self, sections: Iterable[str], seconds: float) -> None:
        """Sample these costly sections now, and with each tick for ``seconds`` from now.

        They come with a Sample of the same ``time`` as the one before, as soon as they are read
        (``processes`` takes two looks, 0.15 s apart). Names of other sections are ignored.
        """
        names = EXPENSIVE.intersection(sections)
        if not names:
            return
        now = self._now().mono
        with self._changed:
            for name in names:
                until = self._wanted.get(name, now)
                if until <= now:
                    self._due.add(name)
                self._wanted[name] = max(until, now + seconds)
            if self._costly_thread is None and not self._stopped:
                self._costly_thread = threading.Thread(
                    target=self._run_costly, name="nodnod-costly", daemon=True
                )
                self._costly_thread.start()
            self._changed.notify_all()

    def timings(self) -> dict[str, Timing]:
        """Section -> (seconds that it took last, how often it has failed)."""
        return self._machine.timings()

    def stop(self) -> None:
        """End the threads; returns at once, and whatever is stuck stays so."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._machine.stop()

    def _run(self) -> None:
        due = self._now().mono
        self._take(deliver=False)
        due += WARM_UP
        while self._sleep_until(due):
            self._take(deliver=True)
            due = due_after(due, self._now().mono, self._interval)

    def _take(self, *, deliver: bool) -> None:
        try:
            sample = self._machine.take(self._now())
        except Exception:
            logger.exception("the sampler failed; it goes on")
            return
        with self._changed:
            if deliver:
                self._newest = sample
                self._hand_over()
            self._due.update(self._wanted)
            self._changed.notify_all()

    def _sleep_until(self, due: float) -> bool:
        """Whether it is time; False once stopped."""
        with self._changed:
            while not self._stopped:
                left = due - self._now().mono
                if left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def _hand_over(self) -> None:
        """With the lock held, so that a newer sample never comes before an older one."""
        sample = self._newest
        if sample is None or self._stopped:
            return
        if self._costly:
            sample = msgspec.structs.replace(sample, sections=sample.sections | self._costly)
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._receive, sample)

    def _receive(self, sample: Sample) -> None:
        if not self._stopped:
            self._deliver(sample)

    def _run_costly(self) -> None:
        while (names := self._next_costly()) is not None:
            taken = self._machine.take_costly(sorted(names), self._now().mono)
            with self._changed:
                self._costly.update(taken)
                if taken:
                    self._hand_over()
            if missing := names - taken.keys():
                self._again(missing)

    def _again(self, names: set[str]) -> None:
        """Look a second time at what cannot be told from one look."""
        if self._sleep_until(self._now().mono + WARM_UP):
            with self._changed:
                self._due |= names

    def _next_costly(self) -> set[str] | None:
        """Wait until sections are to be looked at; None once stopped. Forgets the unwanted."""
        while True:
            with self._changed:
                if self._stopped:
                    return None
                now = self._now().mono
                over = {name for name, until in self._wanted.items() if until <= now}
                for name in over:
                    del self._wanted[name]
                    self._costly.pop(name, None)
                names = self._due & self._wanted.keys()
                self._due.clear()
                if not names and not over:
                    nearest = min(self._wanted.values(), default=None)
                    self._changed.wait(None if nearest is None else max(0.0, nearest - now))
                    continue
            for name in over:
                self._machine.forget(name)
            if names:
                return names
