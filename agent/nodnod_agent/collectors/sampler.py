"""The sampler: the threads that run the collectors, so that the event loop never does.

One thread reads all cheap sections every interval. A second one reads the expensive sections; it
starts with the first demand. So a driver that hangs does not stop the numbers of every tick. Both
are daemon threads that are never joined.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from nodnod_agent.collectors.moment import Moment, Timing, moment
from nodnod_agent.core.question import split_key
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.sections import EXPENSIVE

if TYPE_CHECKING:
    from nodnod_agent.collectors.machine import Machine

logger = logging.getLogger(__name__)

WARM_UP = 0.15
"""Seconds between two readings from which the first rates are computed.

Long enough for 15 steps of the kernel's CPU counters on each core.
"""


def next_tick(due: float, now: float, interval: float) -> float:
    """The time of the tick after the one that was due at ``due`` and ended at ``now``.

    Ticks keep to a schedule. A tick that is late by half an interval or more (the agent was
    stopped, the machine slept) starts a new schedule, so that the next interval is not too short.
    """
    scheduled = due + interval
    return scheduled if scheduled - now > interval / 2 else now + interval


def open_machine(
    version: str, custom_directory: str | None = None, custom_max_age: float = 3600
) -> "Machine":
    """This machine, with its kernel files open: that may take forever.

    A file of /proc may be that of lxcfs, which may hang. psutil reads one while it is imported.
    """
    from nodnod_agent.collectors.custom import CustomCollector
    from nodnod_agent.collectors.machine import Machine, open_collectors

    custom = CustomCollector(custom_directory, custom_max_age)
    return Machine(open_collectors(version, custom))


class Sampler:
    """Delivers a Sample to the event loop every ``interval`` seconds.

    ``deliver`` is called on ``loop``, never after ``stop``. ``demand`` and ``timings`` may be
    called from any thread. The thread of the ticks opens the machine; it waits for mounts only once,
    for a second at most, and never for an expensive section.
    """

    def __init__(
        self,
        interval: float,
        deliver: Callable[[Sample], None],
        *,
        loop: asyncio.AbstractEventLoop,
        open_machine: Callable[[], "Machine"],
        now: Callable[[], Moment] = moment,
    ) -> None:
        self._interval = interval
        self._deliver = deliver
        self._loop = loop
        self._open_machine = open_machine
        self._machine: Machine | None = None
        self._now = now
        self._changed = threading.Condition()
        self._stopped = False
        self._newest: Sample | None = None
        # By the keys of expensive sections, see Question.key:
        self._demanded: dict[str, float] = {}  # the end of the demand
        self._expensive: dict[str, bytes] = {}  # the newest value
        self._due: set[str] = set()  # to read now
        self._expensive_thread: threading.Thread | None = None

    def start(self) -> None:
        """Start; the first Sample comes after two readings, 0.15 s apart."""
        threading.Thread(target=self._run, name="nodnod-sampler", daemon=True).start()

    def demand(self, keys: Iterable[str], seconds: float) -> None:
        """Read these expensive sections (or what they hold of a pattern) now, and at every tick for ``seconds`` from now.

        As soon as they are read they are delivered with the newest Sample, whose ``time`` stays the
        same (``processes`` takes two readings, 0.15 s apart). Other sections are ignored.
        """
        names = {key for key in keys if split_key(key)[0] in EXPENSIVE}
        if not names:
            return
        now = self._now().mono
        with self._changed:
            for name in names:
                end = self._demanded.get(name, now)
                if end <= now:
                    self._due.add(name)
                self._demanded[name] = max(end, now + seconds)
            self._start_expensive()
            self._changed.notify_all()

    def timings(self) -> dict[str, Timing]:
        """Section -> the duration of its last reading, and its failures."""
        return {} if self._machine is None else self._machine.timings()

    def busy_with(self) -> str:
        """What the thread of the ticks does, or did last."""
        if self._machine is None:
            return "opening the files of /proc and /sys"
        return f"reading the {self._machine.reading} section"

    def stop(self) -> None:
        """End the threads; returns at once, even if a thread hangs."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._machine is not None:
            self._machine.stop()

    def _run(self) -> None:
        machine = self._opened()
        if machine is None:
            return
        self._tick(machine, deliver=False)
        # After the first reading, which may take long: else counters might stand still until the second.
        due = self._now().mono + WARM_UP
        while self._sleep_until(due):
            self._tick(machine, deliver=True)
            due = next_tick(due, self._now().mono, self._interval)

    def _opened(self) -> "Machine | None":
        """The machine, opened; None once stopped."""
        while True:
            try:
                machine = self._open_machine()
                break
            except Exception:
                logger.exception("cannot open the files of this machine; trying again")
            if not self._sleep_until(self._now().mono + self._interval):
                return None
        with self._changed:
            if self._stopped:
                machine.stop()
                return None
            self._machine = machine
            self._start_expensive()
        return machine

    def _start_expensive(self) -> None:
        """Start the second thread with the first demand; call it with the lock held."""
        if self._machine is None or self._expensive_thread is not None:
            return
        if self._demanded and not self._stopped:
            self._expensive_thread = threading.Thread(
                target=self._run_expensive,
                args=(self._machine,),
                name="nodnod-ondemand",
                daemon=True,
            )
            self._expensive_thread.start()

    def _tick(self, machine: "Machine", *, deliver: bool) -> None:
        try:
            sample = machine.sample(self._now())
        except Exception:
            logger.exception("the sampler failed; it continues")
            return
        with self._changed:
            if deliver:
                self._newest = sample
                self._publish()
            self._due.update(self._demanded)
            self._changed.notify_all()

    def _sleep_until(self, due: float) -> bool:
        """True when it is time; False once stopped."""
        with self._changed:
            while not self._stopped:
                left = due - self._now().mono
                if left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def _publish(self) -> None:
        """Send the newest sample to the loop, with the lock held so that the order is kept."""
        sample = self._newest
        if sample is None or self._stopped:
            return
        if self._expensive:
            sample = msgspec.structs.replace(sample, sections=sample.sections | self._expensive)
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._receive, sample)

    def _receive(self, sample: Sample) -> None:
        if not self._stopped:
            self._deliver(sample)

    def _run_expensive(self, machine: "Machine") -> None:
        while (names := self._next_expensive(machine)) is not None:
            sections = machine.read_expensive(sorted(names), self._now().mono)
            with self._changed:
                self._expensive.update(sections)
                if sections:
                    self._publish()
            not_ready = names - sections.keys()
            if not_ready and self._sleep_until(self._now().mono + WARM_UP):
                with self._changed:
                    self._due |= not_ready

    def _next_expensive(self, machine: "Machine") -> set[str] | None:
        """Wait until sections are due; None once stopped. Resets those without a demand."""
        while True:
            with self._changed:
                if self._stopped:
                    return None
                now = self._now().mono
                ended = {name for name, end in self._demanded.items() if end <= now}
                for name in ended:
                    del self._demanded[name]
                    self._expensive.pop(name, None)
                used = {split_key(name)[0] for name in self._demanded}
                names = self._due & self._demanded.keys()
                self._due.clear()
                if not names and not ended:
                    nearest = min(self._demanded.values(), default=None)
                    self._changed.wait(None if nearest is None else max(0.0, nearest - now))
                    continue
            for section in {split_key(name)[0] for name in ended} - used:
                machine.reset(section)
            if names:
                return names
