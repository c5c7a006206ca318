"""Time that is lost by nobody's fault: this process stood still, or an agent waited for a CPU."""

import asyncio
import os
from collections.abc import Callable, Iterable
from time import monotonic

from bench.harness.invariants.ground_truth import Fault, GroundTruth, KnownNode
from bench.harness.usage import cpu_wait

PULSE = 0.05
"""Seconds from one look to the next."""

LEAST = 0.001
"""Seconds of a delay that are noted."""

WINDOW = 5.0
"""Seconds of silence after which agents take each other for dead. One that has no CPU for half of that
is as good as frozen."""

Watched = Callable[[], Iterable[tuple[KnownNode, int]]]
"""The agents that run now, each with the id of its process."""


class Pauses:
    """Notes in the ground truth what time this process and ``watched`` have lost."""

    def __init__(self, truth: GroundTruth, watched: Watched = tuple) -> None:
        self._truth = truth
        self._watched = watched
        self.starved = 0
        """How often an agent, or this process, had no CPU for so long that it counts as frozen."""
        self._starving: dict[KnownNode, Fault] = {}
        self._waits: dict[int, float] = {}
        """By the id of the process: for how long it has waited for a CPU up to now."""
        self._looked = monotonic()

    async def run(self) -> None:
        """Look all the time, until cancelled."""
        while True:
            await asyncio.sleep(PULSE)
            self._look(monotonic())

    def catch_up(self) -> None:
        """Look before something is judged: after a pause, what has come is read before timers run."""
        now = monotonic()
        if now - self._looked > PULSE:
            self._look(now)

    def _look(self, now: float) -> None:
        then, self._looked = self._looked, now
        before, self._waits = self._waits, {}
        for node, pid in ((None, os.getpid()), *self._watched()):
            self._waits[pid] = wait = cpu_wait(pid)
            lost = wait - before.get(pid, wait)
            if node is None:  # it may stand still for other reasons
                lost = max(lost, now - then - PULSE)
            if lost > LEAST:
                self._truth.delay(node, now, lost)
            if node is not None:
                self._check_starving(node, now)

    def _check_starving(self, node: KnownNode, now: float) -> None:
        """Take an agent for frozen while it, or this process and its proxies, can hardly run."""
        if self._truth.delayed(node, now - WINDOW) < WINDOW / 2:
            self._starving.pop(node, None)
        elif node in self._starving:
            self._starving[node].until = now
        else:
            self.starved += 1
            self._starving[node] = fault = self._truth.begin("freeze", node, now - WINDOW)
            fault.until = now
