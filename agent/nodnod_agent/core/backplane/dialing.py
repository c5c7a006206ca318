"""Attempts to dial over a backplane: each waits for a word of the process at an address."""

from collections.abc import Callable

from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.backplane.processes import MAX_PROCESSES, Processes
from nodnod_agent.core.backplane.subjects import SITE, Sender
from nodnod_agent.core.interfaces import Clock, DialHandler, Timer
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.address import Address

SILENCE = 13.5
"""Seconds of silence after which a process is down."""

NOT_THERE = "not on the backplane"


class Attempt:
    """An attempt to dial."""

    def __init__(
        self, address: Address, handler: DialHandler, finish: Callable[["Attempt"], None]
    ) -> None:
        """``finish`` is called where it is given up."""
        self.address = address
        self.handler = handler
        self.timer: Timer | None = None
        self.over = False
        self._finish = finish

    def cancel(self) -> None:
        """Give it up, and report nothing."""
        self.over = True
        self._finish(self)


class Dialing:
    """The attempts under way, by their addresses."""

    def __init__(
        self,
        processes: Processes,
        table: MembershipTable,
        opened: Callable[[Process, DialHandler], None],
        ask: Callable[[Sender], None],
        away: Callable[[], str],
        is_awake: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """``opened`` makes the wire of an attempt that has succeeded. ``ask`` asks a process for a word, and
        ``away`` tells why nobody can be heard, or nothing.
        """
        self._processes = processes
        self._table = table
        self._opened = opened
        self._ask = ask
        self._away = away
        self._is_awake = is_awake
        self._clock = clock
        self._attempts: dict[Address, Attempt] = {}
        self._said: dict[Address, str] = {}
        """Why nodes of other sites are down, as their speakers say."""
        self._cut_off: set[Address] = set()
        """Where attempts were refused because nobody can be heard; others wait until that is over."""

    def dial(self, address: Address, handler: DialHandler) -> Attempt:
        """Reach the process at an address as soon as it is heard."""
        attempt = self._attempts[address] = Attempt(address, handler, self._finish)
        attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)
        return attempt

    def heard(self, process: Process, address: Address) -> None:
        """A process is at an address: an attempt to reach it succeeds."""
        attempt = self._attempts.get(address)
        if attempt is not None and process.wire is None:
            self._open(attempt, process)

    def is_back(self, address: Address) -> None:
        """Somebody tells of a node at an address: why it was down does not count any more."""
        self._said.pop(address, None)

    def is_down(self, address: Address, reason: str) -> None:
        """The speaker of a site says why a node at an address is down."""
        if len(self._said) >= MAX_PROCESSES:
            del self._said[next(iter(self._said))]
        self._said[address] = reason

    def refuse(self, address: Address, reason: str) -> None:
        """The node at an address cannot be reached."""
        if (attempt := self._attempts.get(address)) is not None:
            self._refuse(attempt, reason)

    def refuse_all(self, reason: str) -> None:
        """Nobody can be reached."""
        for attempt in tuple(self._attempts.values()):
            self._refuse(attempt, reason)

    def missing(self, sender: Sender) -> None:
        """A process is not connected to the backplane."""
        for attempt in tuple(self._attempts.values()):
            if self._expected(attempt.address) == sender:
                self._refuse(attempt, NOT_THERE)

    def resume(self) -> None:
        """Go on: this agent is awake, or connected."""
        self._cut_off.clear()
        for attempt in tuple(self._attempts.values()):
            if attempt.timer is None:
                attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)

    def stop(self) -> None:
        """Give up all, and report nothing."""
        for attempt in tuple(self._attempts.values()):
            attempt.cancel()

    def _try(self, attempt: Attempt) -> None:
        attempt.timer = None
        process = self._processes.at.get(attempt.address)
        if process is not None:
            self._open(attempt, process)
        elif reason := self._away():
            # Once: a thousand nodes would be dialed again and again.
            if attempt.address not in self._cut_off:
                self._cut_off.add(attempt.address)
                self._refuse(attempt, reason)
        elif reason := self._said.get(attempt.address, ""):
            self._refuse(attempt, reason)
        elif self._is_awake():  # else until it wakes: nobody can be heard
            if (expected := self._expected(attempt.address)) is not None:
                self._ask(expected)
            when, reason = self._clock.time() + SILENCE, f"no sign of life for {SILENCE:.2g} s"
            attempt.timer = self._clock.call_at(when, self._refuse, attempt, reason)

    def _expected(self, address: Address) -> Sender | None:
        """The process that has to be at an address; None if it is told of by the speaker of its site."""
        entry = self._table.entries.get(str(address))
        return Sender(entry.name, entry.instance) if entry and SITE not in entry.tags else None

    def _open(self, attempt: Attempt, process: Process) -> None:
        self._finish(attempt)
        if not attempt.over:
            attempt.over = True
            self._opened(process, attempt.handler)

    def _refuse(self, attempt: Attempt, reason: str) -> None:
        self._finish(attempt)
        if not attempt.over:
            attempt.over = True
            attempt.handler.refused(reason)

    def _finish(self, attempt: Attempt) -> None:
        if self._attempts.get(attempt.address) is attempt:
            del self._attempts[attempt.address]
        if attempt.timer is not None:
            attempt.timer.cancel()
