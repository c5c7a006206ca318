"""How this agent tells of its own start: started alone, joined, restarted, or renamed."""

from collections.abc import Callable

from nodnod_agent.core.events.log import STATES, EventLog
from nodnod_agent.core.interfaces import Clock, Timer

ALONE = 10.0
"""Seconds without an answer of another agent that knows events, after which this one started alone."""

LISTEN = 2.0
"""Seconds from the first answer: more peers say what they know, and the first events come in."""


class Debut:
    """Writes one event, once it is known what the cluster knew of this node before."""

    def __init__(
        self,
        events: EventLog,
        name: str,
        text: str,
        tell: Callable[[str, str, float], None],
        *,
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        """``text`` says what and where this agent is. ``tell`` takes a kind, a text and the time of the start."""
        self._log = events
        self._name = name
        self._text = text
        self._tell = tell
        self._clock = clock
        self._at = wall()
        self._before = ""
        self._in_company = self._told = False
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to wait for others."""
        self._timer = self._clock.call_at(self._clock.time() + ALONE, self._finish)

    def stop(self) -> None:
        """Tell at once."""
        if self._timer is not None and not self._told:
            self._timer.cancel()
            self._finish()

    def heard(self, before: str) -> None:
        """An agent has answered; it knew a process ``before`` at our address, by this name, or none."""
        self._before = self._before or before
        if not self._in_company and self._timer is not None and not self._told:
            self._in_company = True
            self._timer.cancel()
            self._timer = self._clock.call_at(self._clock.time() + LISTEN, self._finish)

    def _finish(self) -> None:
        self._told = True
        kind, text = "joined", self._text
        if self._before == self._name or any(
            # An alert may have been earlier than this.
            record.event.node == self._name and record.event.kind in STATES
            for record in self._log.newest()
        ):
            kind = "restarted"
        elif self._before:
            kind, text = "renamed", f"was {self._before} before; {self._text}"
        elif not self._in_company:
            kind = "started"
        self._tell(kind, text, self._at)
