"""Whose turn it is, when there is more to do than one turn of the event loop should take.

Who takes little is served as it comes. The others stand in line: those who have taken more than
their share lately, and those who have not shaken hands yet. In each turn of the loop the line is
served for a quarter of a millisecond, each for a little, who has taken least first. So however many keep
an agent busy, who asks something now and then waits milliseconds for it; and where nobody else is
there, who asks much gets all.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Protocol

LINE = 0.00025
"""Seconds of each turn of the loop for all who stand in line.

An answer of the cluster takes four turns: raising it delays all who do not stand there.
"""

PIECE = 0.0001
"""Seconds after which who is served makes room for the next; what has begun is done, though."""

SHARED = 0.5
"""Of one core, what all may take together without standing in line."""

FEW = 10
"""Connections, up to which each has a tenth of that."""

AGENT_WEIGHT = 100.0
"""For how many clients another agent counts: it asks on behalf of all of its own."""

DEBT = 10.0
"""Seconds after which the worst is forgiven."""


class Served(Protocol):
    """Who stands in line."""

    def serve(self) -> bool:
        """Do a little; whether there is more that can be done now."""

    @property
    def taken(self) -> float:
        """What it has taken so far, see Share; who has taken least is served first."""


class FairQueue:
    """The line of one event loop, and how large a share of it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections = 0
        self._loop = loop
        self._forgiven = 0.0
        self._moment = loop.time()
        self._standing: set[Served] = set()
        self._line: list[tuple[float, int, Served]] = []
        """A heap. Who has left stands in it still, until it would be his turn."""
        self._coming: list[Served] = []
        """Who will stand in it from the next turn on: nobody is served twice in one."""
        self._numbers = count()
        self._serving = False
        self._end = 0.0

    @property
    def share(self) -> float:
        """Seconds in each second that one connection may take without standing in line."""
        return SHARED / max(FEW, self.connections)

    def opened(self) -> None:
        """There is one connection more to share with."""
        self.forgiven(self._loop.time())
        self.connections += 1

    def closed(self) -> None:
        """There is one less."""
        self.forgiven(self._loop.time())
        self.connections -= 1

    def forgiven(self, now: float) -> float:
        """Seconds that anybody has been forgiven up to now, had he taken them: his shares so far."""
        self._forgiven += (now - self._moment) * self.share
        self._moment = now
        return self._forgiven

    def stand(self, one: Served) -> None:
        """Stand in line, once at a time; served no earlier than in the next turn of the loop."""
        if one not in self._standing:
            self._standing.add(one)
            self._coming.append(one)
            self._serve_soon()

    def later(self, work: Callable[[], None]) -> None:
        """Have something costly done that has no connection to stand in line for it."""
        self.stand(_Errand(work, Share(self, self._loop.time()).taken))

    def charge(self, seconds: float) -> None:
        """Reckon, of who is served just now, with what will come of it behind our back."""
        self._end -= seconds

    def leave(self, one: Served) -> None:
        """Stand in line no more."""
        self._standing.discard(one)

    def _serve_soon(self) -> None:
        if not self._serving:
            self._serving = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._serving = False
        self._end = perf_counter() + LINE
        coming, self._coming = self._coming, []
        for one in coming:
            heappush(self._line, (one.taken, next(self._numbers), one))
        try:
            while self._line:
                _, _, one = heappop(self._line)
                if one in self._standing:
                    self._standing.remove(one)
                    if one.serve():
                        self.stand(one)
                    if perf_counter() >= self._end:
                        break
        finally:  # who fails must not stop those behind him
            if self._line or self._coming:
                self._serve_soon()


class Share:
    """What one connection has taken; of every second, a share is forgiven.

    A newcomer has taken its first share already.
    """

    __slots__ = ("_turns", "taken")

    def __init__(self, turns: FairQueue, now: float) -> None:
        self._turns = turns
        self.taken = turns.forgiven(now) + turns.share
        """In seconds, those among them that have been forgiven meanwhile; it orders the line."""

    def take(self, seconds: float, now: float) -> None:
        """Note what it has taken just now."""
        turns = self._turns
        forgiven = turns.forgiven(now)
        taken = max(self.taken, forgiven) + seconds
        self.taken = min(taken, forgiven + DEBT * turns.share)

    def spent(self, now: float) -> bool:
        """Whether it has taken more than the share of a second that is not forgiven yet."""
        turns = self._turns
        return self.taken >= turns.forgiven(now) + turns.share


class _Errand:
    """Work that is done in one piece; in line it is as good as a newcomer."""

    def __init__(self, work: Callable[[], None], taken: float) -> None:
        self.taken = taken
        self._work = work

    def serve(self) -> bool:
        """See Served."""
        self._work()
        return False
