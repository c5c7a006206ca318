"""All of one agent's part in alerts: what it knows, judges of others, and tells people."""

import logging
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from nodnod_agent.core.alerts.cluster import Cluster
from nodnod_agent.core.alerts.entries import Key, Name, key_of
from nodnod_agent.core.alerts.heartbeat import Heartbeat
from nodnod_agent.core.alerts.notifier import Notifier
from nodnod_agent.core.alerts.ports import Beat, Notify
from nodnod_agent.core.alerts.poster import Poster
from nodnod_agent.core.alerts.rendezvous import rendezvous
from nodnod_agent.core.alerts.replica import AlertReplica
from nodnod_agent.core.alerts.rules import DOWN
from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.survivors import Survivors
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.exchange import Exchange
from nodnod_agent.core.interfaces import Clock, Random, Timer
from nodnod_agent.core.membership.events import PeerDown, PeerEvent, PeerUp
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_client.alerts import Alert, Silence
from nodnod_client.messages import MAX_SENDS, PeerAnswer

ALONE = 15.0
"""Seconds from the start after which an agent relies on what it knows, though no peer agrees."""

HOUSEKEEPING = 30.0

TOLD_FIRST = 8
"""Agents that are told of an alert at once; gossip tells the others."""

log = logging.getLogger("nodnod")


class ChannelIds(Struct, frozen=True):
    """The channels that an agent is configured with, each by 16 hexadecimal digits.

    Others are told of no more than MAX_SENDS: beyond that, this agent has none.
    """

    people: tuple[str, ...] = ()
    """Those that do not de-duplicate: one agent sends each message."""
    alertmanagers: tuple[str, ...] = ()
    heartbeat: str | None = None

    @property
    def all(self) -> list[str]:
        """What the other agents are told of."""
        heartbeat = [self.heartbeat] if self.heartbeat is not None else []
        return [*heartbeat, *self.people, *self.alertmanagers][:MAX_SENDS]


class Alerts:
    """Puts the parts together. ``changed`` is called after each change of the table."""

    def __init__(
        self,
        peers: Peers,
        notify: Notify,
        beat: Beat,
        *,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
    ) -> None:
        self.ready = False
        """Whether this agent knows what the others know, as far as there are others."""
        self.became_ready: Callable[[], None] = lambda: None
        """The judge may begin."""
        self.adopt: Callable[[list[Alert]], None] = lambda alerts: None
        """Takes what others tell of this node's alerts, for its judge."""
        self.changed: Callable[[], None] = lambda: None
        self.wrote: Callable[[list[Alert]], None] = lambda alerts: None
        """Takes what this agent has judged, and nobody before it."""
        self.version = 0
        """Grows with every change of the table."""
        self._new: set[str] = set()
        """The processes that agree, but have just started as well."""
        self._peers = peers
        self._clock = clock
        self.cluster = Cluster(peers)
        self.table = AlertTable(self.cluster.member, wall)
        self._exchange: Exchange[Link] = Exchange(AlertReplica(self.table, self._learn), clock)
        self._exchange.heard = self._heard
        self._exchange.extra = {"alertsNew": True}
        self.cluster.knows_alerts = self._exchange.knows
        peers.gossip.logs.append(self._exchange)
        table, cluster = self.table, self.cluster
        self.silencing = Silencing(table, self.write, wall=wall, rng=rng)
        self.notifier = Notifier(
            table, cluster, self.silencing, notify, self._spread, clock=clock, wall=wall
        )
        self.poster = Poster(table, cluster, self.silencing, notify, clock=clock, wall=wall)
        self.heartbeat = Heartbeat(cluster, beat, clock=clock, wall=wall)
        self.survivors = Survivors(
            table, cluster, lambda alert: self.judged([alert]), clock=clock, wall=wall
        )
        self._timers: list[Timer] = []
        self._started = False

    def start(self) -> None:
        """Begin; nobody is told of anything before this agent has heard what the others know."""
        self._started = True
        now = self._clock.time()
        self._timers = [
            self._clock.call_at(now + ALONE, self._become_ready),
            self._clock.call_at(now + HOUSEKEEPING, self._keep_house),
        ]

    def stop(self) -> None:
        """Judge and tell no more."""
        self._started = False
        for timer in self._timers:
            timer.cancel()
        for part in (self.notifier, self.poster, self.heartbeat, self.survivors):
            part.stop()

    def use(self, channels: ChannelIds) -> None:
        """Send over these channels from now on, and tell the others so."""
        self.notifier.use(channels.people)
        self.poster.use(channels.alertmanagers)
        self.heartbeat.use(channels.heartbeat)
        if channels.all != self.cluster.own.sends:
            self._peers.gossip.revise(sends=channels.all)

    def act(self, events: Iterable[PeerEvent]) -> None:
        """Take what has happened to the peers."""
        for event in events:
            member = event.member
            if isinstance(event, PeerUp):
                self.survivors.came_up(member)
            elif isinstance(event, PeerDown):
                self.survivors.went_down(member)
            else:
                self.survivors.forget(member)
                address = str(member.address)
                if self.cluster.member(address) is None:
                    self.table.forget(address)
        self.notifier.replan()
        self.poster.reconsider()

    def judged(self, alerts: Iterable[Alert]) -> None:
        """Take what this agent has judged, of its own node or of others."""
        try:
            self.write(*alerts)
        except EntryRefused as error:
            log.warning("An alert that this agent has judged is not told: %s", error)

    def write(self, *entries: Alert | Silence) -> None:
        """Take what this agent has judged, or a silence that somebody has asked for.

        Raises EntryRefused for the first that is not valid, after the others were taken.
        """
        names: dict[Name, None] = {}
        news: list[Alert] = []
        refused: EntryRefused | None = None
        for entry in entries:
            try:
                name = self.table.merge(entry)
            except EntryRefused as error:
                refused = refused or error
                continue
            if name is not None:
                names[name] = None
                if isinstance(entry, Alert):
                    news.append(entry)
        if news:
            self.wrote(news)
        if names:
            self._note(list(names))
            first = next(iter(names))
            ups = [one for one in self.cluster.up() if one != self.cluster.own.address]
            self._publish(names, rendezvous(str(first), ups)[:TOLD_FIRST])
        if refused is not None:
            raise refused

    def _spread(self, keys: Sequence[Key], addresses: Iterable[str]) -> None:
        if keys:
            self._changes()
            self._publish(keys, addresses)

    def _publish(self, names: Iterable[Name], addresses: Iterable[str]) -> None:
        members = map(self.cluster.member, addresses)
        instances = [one.instance for one in members if one is not None]
        self._peers.gossip.tell(self._exchange.pieces(names), instances)

    def _learn(self, names: list[Name], alerts: list[Alert]) -> None:
        """Take what others have told."""
        self._note(names)
        own = self.cluster.own.address
        kept = (self.table.alerts.get(key_of(one)) for one in alerts if one.address == own)
        if ours := [one for one in kept if one is not None]:
            self.adopt(ours)

    def _note(self, names: list[Name]) -> None:
        """Have all parts look at what has changed."""
        for name in names:
            if isinstance(name, Key):
                self.notifier.consider(name)
                self.poster.consider(name)
        if any(isinstance(name, str) for name in names):
            self.notifier.replan()
            self.poster.reconsider()
        self._changes()
        for name in names:
            if isinstance(name, Key):
                self.survivors.changed(name)

    def _changes(self) -> None:
        self.version += 1
        self.changed()

    def _heard(self, answer: PeerAnswer) -> None:
        if self.ready or answer.alerts_digest != self.table.digest:
            return
        if answer.alerts_new and answer.member is not None:
            # That others which have just started agree says nothing of what the rest knows.
            self._new.add(answer.member.instance)
            if len(self._new) < self.cluster.others:
                return
        self._become_ready()

    def _become_ready(self) -> None:
        if self.ready or not self._started:
            return
        self.ready = True
        self._exchange.extra = {}
        self._timers[0].cancel()
        self.notifier.start()
        self.poster.start()
        self.became_ready()

    def _keep_house(self) -> None:
        self._timers[1] = self._clock.call_at(self._clock.time() + HOUSEKEEPING, self._keep_house)
        if changed := self.table.expire():
            self._note(changed)
        own = self.cluster.own.address
        self.adopt([one for one in self.table.of(own) if one.state == "firing"])
        self.survivors.changed(Key(own, DOWN, ""))
