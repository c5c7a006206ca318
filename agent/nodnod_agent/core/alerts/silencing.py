"""Silences: they begin and end at somebody's request, and cover the alerts that match."""

from collections.abc import Callable
from math import inf

from msgspec.structs import replace

from nodnod_agent.core.alerts.table import MAX_ALERTS, MAX_SILENCES, AlertTable
from nodnod_agent.core.interfaces import Random
from nodnod_agent.core.pattern import matcher
from nodnod_client.alerts import Alert, Silence
from nodnod_client.messages import SilenceTerms

_IDS = 1 << 32


class Silencing:
    """The silences of an alert table; ``write`` puts one into it and tells the other agents."""

    def __init__(
        self,
        table: AlertTable,
        write: Callable[[Silence], None],
        *,
        wall: Callable[[], float],
        rng: Random,
    ) -> None:
        self._table = table
        self._write = write
        self._wall = wall
        self._rng = rng
        self._active: list[Silence] = []
        self._nodes = self._rules = _Matches([])

    @property
    def active(self) -> list[Silence]:
        """Those that have not ended, the next to end first."""
        now = self._wall()
        active = [one for one in self._table.silences.values() if not one.ended and one.until > now]
        return sorted(active, key=lambda one: (one.until, one.id))

    @property
    def next_end(self) -> float:
        """When the next silence ends, in Unix seconds; infinite without any."""
        return min((one.until for one in self.active), default=inf)

    def covering(self) -> Callable[[Alert], bool]:
        """A test whether a silence covers an alert now."""
        if (active := self.active) != self._active:
            self._active = active
            self._nodes = _Matches([one.node for one in active])
            self._rules = _Matches([one.rule for one in active])
        nodes, rules = self._nodes, self._rules
        return lambda alert: bool(nodes.of(alert.node) & rules.of(alert.rule))

    def begin(self, terms: SilenceTerms, by: str) -> Silence | None:
        """Silence alerts; ``None`` if there are too many silences. Raises EntryRefused."""
        if len(self.active) >= MAX_SILENCES:
            return None
        now, number = self._wall(), self._number()
        while number in self._table.silences:
            number = self._number()
        silence = Silence(
            id=number,
            node=terms.node or "*",
            rule=terms.rule or "*",
            until=now + terms.seconds,
            reason=terms.reason or "",
            by=by,
            at=now,
        )
        self._write(silence)
        return self._table.silences.get(number)

    def end(self, number: str) -> Silence | None:
        """End a silence; ``None`` if there is no such one."""
        silence = next((one for one in self.active if one.id == number), None)
        if silence is not None:
            silence = replace(silence, ended=True, at=max(self._wall(), silence.at))
            self._write(silence)
        return silence

    def _number(self) -> str:
        return f"{int(self._rng.random() * _IDS):08x}"


class _Matches:
    """Which of many patterns match a name. Thousands of alerts have few names among them."""

    def __init__(self, patterns: list[str]) -> None:
        self._tests = [matcher((pattern,)) for pattern in patterns]
        self._found: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The numbers of the patterns that match, as bits."""
        found = self._found.get(name)
        if found is None:
            if len(self._found) > MAX_ALERTS:
                self._found.clear()
            found = sum(1 << number for number, test in enumerate(self._tests) if test(name))
            self._found[name] = found
        return found
