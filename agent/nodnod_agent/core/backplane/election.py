"""Which agent of a site speaks for it on the backplane: the first of all that are connected to it.

They are in the order of a hash, so that each site has another, and an agent that goes changes nothing
for the others. The speaker tells once a second that it is there. If it falls silent the others wait, each by its place in
the order, and the first takes over; the same if one that comes before the speaker hears it. A speaker
that hears a better one ceases to be one. An agent that has just started, or sees only a minority of its site,
comes after all that know better.
"""

from collections.abc import Callable
from hashlib import blake2b

from nodnod_agent.core.backplane.subjects import Sender
from nodnod_agent.core.interfaces import Clock, Timer

BEAT = 1.0
"""Seconds between two signs of life of the speaker."""

SILENT = 2.5
"""Seconds without one after which another agent takes over."""

LISTENING = 1.25
"""Seconds for which an agent listens for a speaker when it connects."""

TURNS = 0.5
"""Seconds within which agents of equal knowledge take their turns."""

FIT, UNFIT, BYE = b"fit", b"unfit", b"bye"
"""What a speaker tells: its knowledge of the site, or that it goes."""

_Rank = tuple[bool, float]


class Election:
    """One agent's part. ``speaks`` tells whether it is the speaker."""

    def __init__(
        self,
        site: str,
        own: Sender,
        publish: Callable[[bytes], None],
        is_fit: Callable[[], bool],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``publish`` tells all agents of the site; ``changed`` is called when ``speaks`` has changed."""
        self.speaks = False
        self._site = site
        self._own = own
        self._publish = publish
        self._is_fit = is_fit
        self._changed = changed
        self._clock = clock
        self._takes_part = False
        self._speaker: Sender | None = None
        self._due = float("inf")
        """When to take over."""
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Take part: this agent is connected."""
        self._takes_part, self._speaker = True, None
        self._take_over_at(self._clock.time() + LISTENING + self._turn())

    def end(self, *, leaving: bool = False) -> None:
        """Take part no more: this agent is not connected, or ``leaving``."""
        if leaving and self.speaks:
            self._publish(BYE)
        self._takes_part = False
        self._take_over_at(float("inf"))
        self._become(False)

    def heard(self, sender: Sender, told: bytes) -> None:
        """Take a speaker's sign of life, or its goodbye."""
        if not self._takes_part:
            return
        now = self._clock.time()
        if told == BYE:
            if sender == self._speaker:
                self._take_over_at(now + self._turn())
            return
        better = self._rank(sender, fit=told == FIT) < self._rank(self._own, fit=self._is_fit())
        if self.speaks and not better:
            return  # it will hear this one
        self._become(False)
        # A speaker is not given another time at each of its beats.
        known, self._speaker = self._speaker, sender
        if better or known != sender or self._due > now + TURNS:
            wait = SILENT if better else 0.0
            self._take_over_at(now + wait + self._turn())

    def _turn(self) -> float:
        """Seconds for which this agent waits for those before it."""
        late, place = self._rank(self._own, fit=self._is_fit())
        return (late + place) * TURNS

    def _rank(self, one: Sender, *, fit: bool) -> _Rank:
        key = blake2b(self._site.encode(), digest_size=16).digest()
        hashed = blake2b("\n".join(one).encode(), key=key, digest_size=8).digest()
        return not fit, int.from_bytes(hashed) / 2**64

    def _take_over_at(self, when: float) -> None:
        self._due = when
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when < float("inf"):
            self._timer = self._clock.call_at(when, self._act)

    def _act(self) -> None:
        """Take over, or tell again that this agent is there."""
        self._timer = None
        self._become(True)
        self._publish(FIT if self._is_fit() else UNFIT)
        self._take_over_at(self._clock.time() + BEAT)

    def _become(self, speaks: bool) -> None:
        if speaks == self.speaks:
            return
        self.speaks = speaks
        if speaks:
            self._speaker = self._own
        self._changed()
