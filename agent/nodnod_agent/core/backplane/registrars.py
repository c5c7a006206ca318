"""Whether this agent is a registrar, and whom it appoints to be another."""

from collections.abc import Callable

from nodnod_agent.core.backplane.conversations import SERVE
from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.backplane.processes import Processes, channels
from nodnod_agent.core.backplane.teller import WORD_EVERY
from nodnod_agent.core.backplane.wakefulness import Wakefulness
from nodnod_agent.core.interfaces import Clock, Random
from nodnod_agent.core.membership.table import MembershipTable

UNTOLD_FOR = 3 * WORD_EVERY
"""Seconds without a registrar's call, and at most a word's interval more, after which one that is asleep
wakes: a bus may take minutes to notice that a process has lost its power."""


class Registrars:
    """The others that are, as this agent hears them, and its own part."""

    def __init__(
        self,
        processes: Processes,
        table: MembershipTable,
        wakefulness: Wakefulness,
        call: Callable[[], None],
        clock: Clock,
        rng: Random,
    ) -> None:
        """``call`` tells all agents that there is a registrar."""
        self._processes = processes
        self._table = table
        self._wakefulness = wakefulness
        self._call = call
        self._clock = clock
        self._rng = rng
        self._called_at = float("-inf")
        """When one of them has called last, this one or another."""

    @property
    def are_silent(self) -> bool:
        """Whether there may be none."""
        return self._clock.time() > self._called_at + UNTOLD_FOR

    def called(self) -> None:
        """Note that one has called, or that none could be heard until now."""
        self._called_at = self._clock.time()

    def review(self, *, may_serve: bool) -> None:
        """Become one or cease to be, call, and appoint others: once a second while awake."""
        state, others = self._wakefulness, self._processes.registrars
        senders = [one.sender for one in others]
        if may_serve:
            state.review(senders, needed=self._is_needed(others))
        else:
            state.watch()
        # One whose call does not come is called for by the next.
        is_first = state.first(senders)
        due = WORD_EVERY if is_first else 1.5 * WORD_EVERY
        if state.registrar and self._clock.time() >= self._called_at + due:
            self.called()
            self._call()
        able = self._able(others) if is_first else []
        if state.appoints(senders, lacking=bool(able)):
            self._appoint(able)

    def serving(self, up: list[str]) -> list[str]:
        """Those of these addresses at which one is, this agent's too."""
        own = self._table.own.address if self._wakefulness.registrar else ""
        known = {str(one.address) for one in self._processes.at.values() if one.is_registrar}
        return [address for address in up if address in known or address == own]

    def _is_needed(self, others: list[Process]) -> bool:
        """Whether this agent can tell people over a channel for which no other registrar is kept."""
        own = self._table.own
        return bool(
            {*own.sends} - channels(one for one in others if one.sender.instance < own.instance)
        )

    def _able(self, others: list[Process]) -> list[Process]:
        """Those that can tell people over a channel that no registrar has."""
        covered = {*self._table.own.sends} | channels(others)
        return [one for one in self._processes if channels([one]) - covered]

    def _appoint(self, able: list[Process]) -> None:
        """Appoint one of these, or of all."""
        free = [one for one in self._processes if one.wire and not one.is_registrar]
        able = [one for one in free if one in able] or free
        if able:
            wire = self._rng.choice(able).wire
            assert wire is not None
            wire.send(SERVE)
