"""What a node cannot tell of itself: that it is down, or that it has lost the others.

The others judge. Each waits for its place in an order, so that the first one writes the alert and all
others see it in time. Each agent writes at most once for each time that it loses or finds a node, so
agents that see different nodes as up do not contradict each other again and again.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from nodnod_agent.core.alerts.cluster import Cluster
from nodnod_agent.core.alerts.entries import Key
from nodnod_agent.core.alerts.rendezvous import position
from nodnod_agent.core.alerts.rules import CUT_OFF, DOWN, Rule, is_about, named
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.membership.member import Member
from nodnod_client.alerts import MAX_TEXT, Alert
from nodnod_client.printable import replace_unprintable

NEXT = 10.0
"""Seconds for which each agent waits for the one before it in the order."""

CHECK = 1.0
"""Seconds from the loss of a node until this agent counts those that it still sees."""


class Survivors:
    """One agent's part in judging the others."""

    def __init__(
        self,
        table: AlertTable,
        cluster: Cluster,
        write: Callable[[Alert], None],
        *,
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        self._down: Rule | None = None
        self._cut_off: Rule | None = None
        self._table = table
        self._cluster = cluster
        self._write = write
        self._clock = clock
        self._wall = wall
        self._timers: dict[Member, Timer] = {}
        """What is to be done about nodes that this agent has lost or found."""
        self._untold: dict[Member, tuple[float, str]] = {}
        """Nodes that are down for a minority only, or for one that does not see them: since when, and why."""
        self._alone: Timer | None = None
        self._check: Timer | None = None

    def use(self, rules: Iterable[Rule]) -> None:
        """Judge by these rules from now on: by those about what a node cannot tell of itself."""
        rules = tuple(rules)
        self._down, self._cut_off = named(rules, DOWN), named(rules, CUT_OFF)

    def stop(self) -> None:
        """Judge no more."""
        for timer in (*self._timers.values(), self._alone, self._check):
            if timer is not None:
                timer.cancel()

    def went_down(self, member: Member) -> None:
        """This agent has lost a node."""
        self._cancel(member)
        if self._down is not None and not member.left:
            self._later(member, self._down.hold, self._note_down, self._wall(), member.error)
        if self._check is None:  # half of the cluster may go at once
            self._check = self._clock.call_at(self._clock.time() + CHECK, self._check_presence)

    def came_up(self, member: Member) -> None:
        """This agent has found a node."""
        self._cancel(member)
        if self._table.alerts and self._table.firing(self._cluster.address_of(member), DOWN):
            self._later(member, 0.0, self._note_up)
        if self._untold or self._alone is not None or self._cuts_off():
            self._check_presence()

    def forget(self, member: Member) -> None:
        """A node is forgotten."""
        self._cancel(member)

    def changed(self, key: Key) -> None:
        """An alert has changed: if it says that this node is down, it is not."""
        if key.address != self._cluster.own.address or key.object:
            return
        if key.rule == DOWN:
            self._end(key, f"{self._cluster.own.name} is up")
        elif key.rule == CUT_OFF and self._cuts_off():
            self._check_presence()

    # Other nodes. An agent waits until all those before it in the order have had their time.

    def _later(self, member: Member, wait: float, act: Callable[..., None], *args: object) -> None:
        when = self._clock.time() + wait
        self._timers[member] = self._clock.call_at(when, act, member, *args)

    def _note_down(self, member: Member, since: float, error: str, waited: int = 0) -> None:
        del self._timers[member]
        rule, address = self._down, self._cluster.address_of(member)
        entry = self._cluster.member(address)
        if rule is None or entry is None or not is_about(rule, entry.name, entry.tags):
            return
        # It may be up at another address, or as another process that we have not met yet.
        if member.left or member.reachable or entry.state == "left":
            return
        if member.version >= 2 and entry.instance != member.instance:
            return
        if self._cluster.presence().is_minority or not self._cluster.sees(address):
            self._untold[member] = since, error
            return
        key = Key(address, DOWN, "")
        known = self._table.alerts.get(key)
        if known is not None and known.state == "firing":
            return
        if self._rank(f"{DOWN} {address}", address) > waited:
            self._later(member, NEXT, self._note_down, since, error, waited + 1)
            return
        error = error.removeprefix("down: ")
        self._write(
            Alert(
                node=entry.name,
                address=address,
                rule=DOWN,
                # Equal at all agents that write this at once.
                epoch=max(known.epoch if known is not None else 0, entry.incarnation) + 1,
                state="firing",
                severity=rule.severity,
                since=since,
                text=_text(f"{entry.name} is down", f": {error}" if error else ""),
            )
        )

    def _note_up(self, member: Member, waited: int = 0) -> None:
        del self._timers[member]
        key = Key(self._cluster.address_of(member), DOWN, "")
        if not member.reachable or not self._table.firing(key.address, DOWN):
            return
        if self._rank(f"{DOWN} {key.address}", key.address) > waited:
            self._later(member, NEXT, self._note_up, waited + 1)
        else:
            self._end(key, f"{member.name} is up")

    def _end(self, key: Key, text: str) -> None:
        alert = self._table.alerts.get(key)
        if alert is not None and alert.state == "firing":
            # The epoch is the same, whichever agent writes it.
            epoch, since, text = alert.epoch + 1, self._wall(), _text(text)
            self._write(replace(alert, epoch=epoch, state="resolved", since=since, text=text))

    def _cancel(self, member: Member) -> None:
        self._untold.pop(member, None)
        timer = self._timers.pop(member, None)
        if timer is not None:
            timer.cancel()

    # This node without the others.

    def _cuts_off(self) -> bool:
        return self._table.firing(self._cluster.own.address, CUT_OFF)

    def _check_presence(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None
        presence = self._cluster.presence()
        if presence.is_minority:
            if self._alone is None and not self._cuts_off() and self._cut_off is not None:
                when = self._clock.time() + self._cut_off.hold
                self._alone = self._clock.call_at(when, self._note_alone, self._wall())
            return
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        text = f"{presence.seen} of {presence.known} nodes are seen again"
        self._end(Key(self._cluster.own.address, CUT_OFF, ""), text)
        untold, self._untold = self._untold, {}
        for member, (since, error) in untold.items():
            self._later(member, NEXT, self._note_down, since, error)

    def _note_alone(self, since: float, waited: int = 0) -> None:
        self._alone = None
        presence, rule, own = self._cluster.presence(), self._cut_off, self._cluster.own
        if rule is None or not presence.is_minority or not is_about(rule, own.name, own.tags):
            return
        if any(self._table.firing(address, CUT_OFF) for address in self._cluster.up()):
            return
        if self._rank(CUT_OFF, own.address) > waited:
            when = self._clock.time() + NEXT
            self._alone = self._clock.call_at(when, self._note_alone, since, waited + 1)
            return
        known = self._table.alerts.get(Key(own.address, CUT_OFF, ""))
        missing = presence.known - presence.seen
        self._write(
            Alert(
                node=own.name,
                address=own.address,
                rule=CUT_OFF,
                epoch=max(known.epoch + 1 if known is not None else 0, int(self._wall() * 1000)),
                state="firing",
                severity=rule.severity,
                value=float(missing),
                since=since,
                text=_text(f"cut off from {missing} of {presence.known} nodes"),
            )
        )

    def _rank(self, task: str, about: str) -> float:
        """How many nodes come before this one in the order for a task about the node at an address."""
        return position(self._cluster.own.address, self._cluster.judges(about, task))


def _text(*parts: str) -> str:
    return replace_unprintable("".join(parts))[:MAX_TEXT]
