"""Tells people of alerts over channels that do not de-duplicate, with no agent that must be alive.

All agents know the same alerts and deliveries. For each channel, what changes within 30 s is one
group, and the agents that can send are in an order for it. The first one notes a *claim*, tells it to
the others, waits until they must have heard it, sends one message, and notes that it was *sent* or
has *failed*. The next one takes over if there is none of these for 10 s, if the claim has run out, or
at once after a failure. So a message is sent at least once; twice only where two agents cannot hear
each other, or where one dies after the message and before its note.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from nodnod_agent.core.alerts.cluster import Cluster
from nodnod_agent.core.alerts.entries import Key, key_of
from nodnod_agent.core.alerts.message import compose
from nodnod_agent.core.alerts.ports import Notify
from nodnod_agent.core.alerts.rendezvous import position
from nodnod_agent.core.alerts.rules import DOWN
from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.table import HAS_LEFT, AlertTable
from nodnod_agent.core.alerts.wakeup import Wakeup
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_client.alerts import Alert, AlertState, Delivery

GROUP = 30.0
"""Seconds of changes that go out as one message."""

GATHER = 5.0
"""Seconds from the end of a group to its message: the changes must come in from all nodes."""

NEXT = 10.0
"""Seconds for which each agent waits for the one before it in the order."""

CLAIM_SPREADS = 2.0
"""Seconds from a claim to the message: the claims of others come in, and one of them stands."""

LEASE = 30.0
"""Seconds for which a claim holds, from when it is heard, so that no clocks are compared."""

REPEAT = 4 * 3600.0
"""Seconds between two messages about an alert that goes on."""

FIRST_BACKOFF, LONGEST_BACKOFF = 60.0, 900.0
"""Seconds of the pause after all agents have failed; between, as long as it has taken until then."""

PAUSE = 0.25
"""Seconds from a change until the plan is made again: changes come in bunches."""

TOLD_FIRST = 8
"""Agents of the order that are told of a claim directly; gossip tells all."""

MAX_GROUP = 250
"""Alerts in one message; more go out as the next."""

Place = tuple[Key, str]
"""An alert and a channel."""

_Group = tuple[str, int, str]
"""What goes out as one message: a channel, the changes of 30 s, and the group of nodes that tells them."""


class Waiting(Struct):
    """What has to be told of an alert over a channel. ``due`` and ``heard`` are on the core's clock."""

    epoch: int
    round: int
    state: AlertState
    group: int
    due: float
    tried: Delivery | None = None
    """The last claim or failure of others or of this agent, and when it was heard."""
    heard: float = 0.0
    blocked: bool = False

    @property
    def stage(self) -> tuple[int, int]:
        """Which message it is."""
        return self.epoch, self.round


class Sending(Struct):
    """One message under way: the claims that it needs, and who is told of them directly."""

    claims: list[Delivery]
    addresses: dict[str, None]


class Notifier:
    """One agent's part in telling people."""

    def __init__(
        self,
        table: AlertTable,
        cluster: Cluster,
        silencing: Silencing,
        notify: Notify,
        tell: Callable[[Sequence[Key], Iterable[str]], None],
        *,
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        """``tell`` spreads what is known of alerts, and tells the agents at some addresses at once.

        Not only the deliveries: an agent that does not know an alert yet would not take them.
        """
        self.channels: tuple[str, ...] = ()
        """The channels over which this agent can send."""
        self.results: dict[str, tuple[float, bool, str]] = {}
        """By channel: when this agent last sent or failed, whether it worked, and why not."""
        self._table = table
        self._cluster = cluster
        self._silencing = silencing
        self._notify = notify
        self._tell = tell
        self._clock = clock
        self._wall = wall
        self._ready = False
        self._waiting: dict[Place, Waiting] = {}
        self._sending: dict[str, Sending] = {}
        """The message under way, by channel."""
        self._wakeup = Wakeup(clock, self._wake)

    def start(self) -> None:
        """Begin to send, once this agent knows what the others know."""
        self._ready = True
        self.reconsider()

    def stop(self) -> None:
        """Send nothing more."""
        self._ready = False
        self._wakeup.cancel()

    def use(self, channels: Iterable[str]) -> None:
        """Send over these channels from now on."""
        self.channels = tuple(dict.fromkeys(channels))
        self.results = {one: it for one, it in self.results.items() if one in self.channels}
        self.reconsider()

    def reconsider(self) -> None:
        """Look at all alerts."""
        if self._ready:
            for key in self._table.alerts:
                self._note(key)
            self._wakeup.at(0.0)

    def replan(self) -> None:
        """Note that other nodes are up, or other alerts silenced, than before."""
        if self._ready and self._waiting:
            self._wakeup.at(self._clock.time() + PAUSE)

    def consider(self, key: Key) -> None:
        """Look at an alert that has changed, or of which something was told."""
        if not self._ready or not self.channels:
            return
        self._note(key)
        self._wakeup.at(self._clock.time() + PAUSE)

    def _note(self, key: Key) -> None:
        alert = self._table.alerts.get(key)
        for place in [(key, channel) for channel in self.channels]:
            needed = self._needed(alert, place[1]) if alert is not None else None
            known = self._waiting.get(place)
            if needed is None:
                self._waiting.pop(place, None)
                continue
            if known is None or known.stage != needed.stage:
                known = self._waiting[place] = needed
            tried = self._table.told(*place).tried.get(known.state)
            if tried is not None and (tried.epoch, tried.round) != known.stage:
                tried = None
            if tried != known.tried:
                known.tried, known.heard = tried, self._clock.time()

    def _needed(self, alert: Alert, channel: str) -> Waiting | None:
        """The message that an alert still needs on a channel; one is repeated."""
        told = self._table.told(key_of(alert), channel)
        sent, when, number = told.sent, alert.since, 0
        if alert.state == "resolved":
            # People are told of an end only where they were told of the problem.
            if not told.is_known or alert.text == HAS_LEFT:
                return None
        elif sent is not None and sent.epoch >= alert.epoch:
            when, number = sent.at + REPEAT, sent.round + 1
        now, wall = self._clock.time(), self._wall()
        group = int(when // GROUP)
        wait = (group + 1) * GROUP + GATHER - wall
        longest = GROUP + GATHER + (REPEAT if number else 0.0)
        wait = min(max(wait, GATHER), longest)  # a clock may be wrong, or the news is old
        return Waiting(alert.epoch, number, alert.state, group, now + wait)

    def _wake(self) -> None:
        now, wakes = self._clock.time(), inf
        soon = now + PAUSE  # the wall clock is corrected: what belongs together is not due at once
        orders: dict[_Group, list[str]] = {}
        ready: dict[str, list[Key]] = defaultdict(list)
        is_silenced = self._silencing.covering()
        for place, one in list(self._waiting.items()):
            key, channel = place
            if key not in self._table.alerts or channel not in self.channels:
                del self._waiting[place]
                continue
            if channel in self._sending:
                continue
            when = self._earliest(one)
            if when <= soon:
                if self._is_blocked(key, is_silenced):
                    one.blocked = True
                    continue
                if one.blocked:  # so that not all agents take it up at once
                    one.blocked, one.due, one.heard = False, now, now
                if (group := self._group(place, one)) not in orders:
                    orders[group] = self._cluster.senders(channel, str(one.group), group[2])
                # By then the order may be another one, or this agent be in one.
                when = min(self._turn(one, orders[group]), now + NEXT)
            if when <= soon:
                ready[channel].append(key)
            else:
                wakes = min(wakes, when)
        if any(one.blocked for one in self._waiting.values()):
            wakes = min(wakes, now + self._silencing.next_end - self._wall())
        for channel, keys in ready.items():
            # A message says whether it repeats, so it has either.
            new = [key for key in keys if not self._waiting[key, channel].round]
            self._claim(channel, (new or keys)[:MAX_GROUP], orders)
        if wakes < inf:
            self._wakeup.at(max(wakes, now + PAUSE))

    def _earliest(self, one: Waiting) -> float:
        """When the first agent of the order may send it."""
        if one.tried is None:
            return one.due
        return one.heard + (LEASE if one.tried.state == "claim" else 0.0)

    def _group(self, what: Place, one: Waiting) -> _Group:
        key, channel = what
        return channel, one.group, self._cluster.turns.group(key.address)

    def _turn(self, one: Waiting, order: list[str]) -> float:
        """When this agent may send it, unless another one does before."""
        rank = position(self._cluster.own.address, order)
        if one.tried is None or one.tried.state == "claim":
            return self._earliest(one) + rank * NEXT
        failed = order.index(one.tried.by) if one.tried.by in order else -1
        if rank > failed:
            return one.heard + (rank - failed - 1) * NEXT
        pause = min(max(one.heard - one.due, FIRST_BACKOFF), LONGEST_BACKOFF)
        return one.heard + pause + rank * NEXT

    def _is_blocked(self, key: Key, is_silenced: Callable[[Alert], bool]) -> bool:
        """Whether people are not to be told of an alert now."""
        alert = self._table.alerts[key]
        if is_silenced(alert):
            return True
        is_firing = alert.state == "firing" and alert.rule != DOWN
        return is_firing and self._table.firing(alert.address, DOWN)

    # One message.

    def _claim(self, channel: str, keys: list[Key], orders: dict[_Group, list[str]]) -> None:
        claims: list[Delivery] = []
        addresses: dict[str, None] = {}
        for key in keys:
            one = self._waiting[key, channel]
            tried = self._table.told(key, channel).tried.get(one.state)
            at = self._wall() if tried is None else max(self._wall(), tried.at + 0.001)
            claim = Delivery(
                address=key.address,
                rule=key.rule,
                object=key.object,
                epoch=one.epoch,
                round=one.round,
                channel=channel,
                state="claim",
                alert=one.state,
                by=self._cluster.own.address,
                at=at,
                until=at + LEASE,
                doubt=tried is not None and (tried.state == "claim" or tried.doubt),
            )
            if self._write(claim):
                claims.append(claim)
                order = orders[self._group((key, channel), one)]
                addresses |= dict.fromkeys(order[:TOLD_FIRST])
        now = self._clock.time()
        if claims:
            self._sending[channel] = Sending(claims, addresses)
            self._tell([key_of(claim) for claim in claims], addresses)
            self._clock.call_at(now + CLAIM_SPREADS, self._send, channel)
        else:
            self._wakeup.at(now + NEXT)

    def _send(self, channel: str) -> None:
        if not self._ready:
            return
        # Of two claims at once all agents know the same as the newer one.
        sending = self._sending[channel]
        claims, sending.claims = sending.claims, []
        is_silenced = self._silencing.covering()
        dropped: list[Key] = []
        for claim in claims:
            if claim not in self._table.told(key_of(claim), channel).all:
                continue
            if self._is_needed(claim, is_silenced):
                sending.claims.append(claim)
            else:
                failed = replace(claim, state="failed", at=claim.at + 0.0005, until=0.0)
                dropped += [key_of(claim)] if self._write(failed) else []
        self._tell(dropped, sending.addresses)
        if not sending.claims:
            self._finish(channel)
            return
        alerts = [self._table.alerts[key_of(claim)] for claim in sending.claims]
        again = any(claim.round for claim in sending.claims)
        done = partial(self._done, channel, sending)
        self._clock.call_at(self._clock.time() + LEASE, done, False, "no answer")
        self._notify(channel, compose(alerts, again=again), done)

    def _is_needed(self, claim: Delivery, is_silenced: Callable[[Alert], bool]) -> bool:
        """Whether people still have to be told of this."""
        key = key_of(claim)
        one = self._waiting.get((key, claim.channel))
        if one is None or one.stage != (claim.epoch, claim.round):
            return False
        return not self._is_blocked(key, is_silenced)

    def _done(self, channel: str, sending: Sending, ok: bool, why: str) -> None:
        if not self._ready or self._sending.get(channel) is not sending:
            return
        self.results[channel] = self._wall(), ok, why
        for claim in sending.claims:
            at = max(self._wall(), claim.at + 0.001)
            self._write(replace(claim, state="sent" if ok else "failed", at=at, until=0.0))
        self._tell([key_of(claim) for claim in sending.claims], sending.addresses)
        self._finish(channel)

    def _finish(self, channel: str) -> None:
        del self._sending[channel]
        self._wakeup.at(self._clock.time() + PAUSE)

    def _write(self, delivery: Delivery) -> bool:
        try:
            written = self._table.merge(delivery) is not None
        except EntryRefused:  # it follows one that is a day ahead; time will pass
            written = False
        if written:
            self._note(key_of(delivery))
        return written
