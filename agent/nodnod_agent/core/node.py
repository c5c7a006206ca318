"""One agent without sockets: its peers, queries, streams and sessions, put together."""

import logging
from collections.abc import Callable, Iterable, Mapping

from nodnod_agent.core.alerts.alerts import Alerts
from nodnod_agent.core.alerts.judge import Judge
from nodnod_agent.core.alerts.metrics import CLOCK_OFFSET, SAME_NAME, STALE_FOR
from nodnod_agent.core.alerts.ports import Beat, Notify, tell_nobody
from nodnod_agent.core.alerts.rules import Rule
from nodnod_agent.core.alerts.view import AlertView, event_text
from nodnod_agent.core.alerts.watch import AlertWatch
from nodnod_agent.core.backplane.presence import Presence
from nodnod_agent.core.backplane.subjects import SITE
from nodnod_agent.core.counters import Counters
from nodnod_agent.core.encoding import AnswerEncoder, with_id
from nodnod_agent.core.events.clock_steps import ClockSteps
from nodnod_agent.core.events.debut import Debut
from nodnod_agent.core.events.log import EventLog, Record
from nodnod_agent.core.events.observer import Observer
from nodnod_agent.core.interfaces import (
    Backplane,
    Clock,
    Dial,
    DialHandler,
    Hello,
    Random,
    Timer,
    Wire,
)
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.configured import ConfiguredNodes
from nodnod_agent.core.membership.events import PeerDown, PeerEvent, PeerUp
from nodnod_agent.core.membership.gossip import JOIN
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.membership.table import MAX_FAR, MAX_MEMBERS
from nodnod_agent.core.question import Question
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.responder import Responder
from nodnod_agent.core.requests.session import Session
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_agent.core.stats.keeper import KEEP, Keeper
from nodnod_agent.core.stats.local import LocalNode, Want
from nodnod_agent.core.stats.push import STREAM_ID, Push
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.address import Address
from nodnod_client.alerts import Alert
from nodnod_client.errors import WireError
from nodnod_client.messages import MemberEntry, PeerAnswer

GOING_AWAY = 1001

NUMBERS_WITHIN = 1.0
"""Seconds that the nodes of a site have to tell their numbers to its speaker."""

log = logging.getLogger("nodnod")


class _Publisher(Waiter, eq=False):
    """A question of this agent itself, whose answer others want."""

    publish: Callable[[bytes], None]

    def deliver(self, body: bytes) -> None:
        """Publish the answer."""
        self.publish(body)


class Node:
    """What the daemon runs over real sockets, and the simulated cluster over fake ones."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        instance: str,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
        dial: Dial,
        want: Want = lambda sections, seconds: None,
        mode: str = "pull",
        interval: float = 1.0,
        rules: Iterable[Rule] = (),
        limits: Limits = Limits(),  # noqa: B008  # frozen
        tags: Mapping[str, str] | None = None,
        release: str = "",
        backplane: Backplane | None = None,
        cluster: str = "default",
        site: str = "",
        notify: Notify = tell_nobody,
        beat: Beat = lambda done: None,
    ) -> None:
        """``address`` is where others can dial this node; ``instance`` is random for each process.

        With a ``backplane``, whose ``cluster`` this is, nobody is dialed but the nodes of the same ``site``.

        ``release`` is the version of the program, for the event of its start.
        """
        tags = {**(tags or {}), **({SITE: site} if site else {})}
        own = MemberEntry(name, address, instance, incarnation=int(wall() * 1000), tags=tags)
        self._site = site
        self._dial_near = dial
        self.presence: Presence | None = None
        self.clock = clock
        self._started = clock.time()
        self.counters = Counters()
        encoder = AnswerEncoder(name)
        self.local = LocalNode(name, interval=interval, want=want, clock=clock)
        self.events = EventLog(instance, clock, wall)
        self.peers = Peers(
            own,
            self._act,
            self._replied,
            self.events,
            clock=clock,
            wall=wall,
            rng=rng,
            dial=self._dial if backplane is not None or site else dial,
            is_free=self._is_far,
            most=MAX_MEMBERS if backplane is None else MAX_FAR,
        )
        gossip = self.peers.gossip
        what = f"version {release} at {address}" if release else f"at {address}"
        self._debut = Debut(self.events, name, what, self.note, clock=clock, wall=wall)
        gossip.events.heard = lambda answer: self._debut.heard(answer.before)
        self._observer = Observer(
            self.events,
            name,
            self._rank,
            self._sees_since,
            gossip.publish,
            clock=clock,
            wall=wall,
            late=rng.random(),
        )
        self._clock_steps = ClockSteps()
        self.alerts = Alerts(self.peers, notify, beat, clock=clock, wall=wall, rng=rng)
        self.alerts.wrote = self._note_alerts
        self.silencing = self.alerts.silencing
        roster = self.peers.roster
        self.alert_view = AlertView(self.alerts.table, self.silencing, roster, wall)
        self.configured = ConfiguredNodes(self.peers)
        self.keeper = Keeper(self.peers.roster, clock, rng)
        self.watch = AlertWatch(
            Judge(name, address, interval),
            self._judged,
            clock=clock,
            wall=wall,
            want=want,
            interval=interval,
        )
        self.watch.known[STALE_FOR] = lambda: self.local.stale_for
        self.watch.known[CLOCK_OFFSET] = lambda: gossip.clocks.offset
        self.watch.known[SAME_NAME] = lambda: self.peers.roster.namesakes
        self.alerts.adopt, self.alerts.became_ready = self.watch.adopt, self.watch.start
        self.judge_by(rules, own.tags)
        self.sessions: dict[Session, None] = {}
        self.push: Push | None = None
        cache: StatsCache | None = None
        if mode == "push" and backplane is None:
            cache = StatsCache(self.peers.roster, self.local, encoder, clock, interval)
            self.push = Push(cache, self.peers.links.up, clock, interval)
        if backplane is not None:
            self.presence = Presence(
                backplane,
                cluster,
                self.peers,
                self.accepted,
                lambda: self.local.entry(Question(local=True)),
                lambda member: self.responder.queries.heard(member),
                lambda: any(session.watches for session in self.sessions),
                self._is_firing,
                site=site,
                site_numbers=self._site_numbers,
                every=interval,
                clock=clock,
                wall=wall,
                rng=rng,
            )
            self.alerts.cluster.turns = self.presence
            if site:
                roster.is_near = lambda member: not self._is_far(member.address)
        self.responder = Responder(
            self.peers,
            self.local,
            self.events,
            self.alert_view,
            self.silencing,
            encoder,
            cache,
            self.keeper,
            clock=clock,
            counters=self.counters,
            limits=limits,
            others=self.presence,
        )

    def start(self) -> None:
        """Begin to keep the links and to gossip; nodes to dial are added to ``configured``."""
        self.peers.start()
        if self.presence is not None:
            self.presence.start()
        self.alerts.start()
        self.local.start()
        self._debut.start()
        if self._has_mesh:  # over a backplane agents cost nothing while nobody asks
            self.keeper.start()
        if self.push is not None:
            self.push.start()

    def note(self, kind: str, text: str, at: float | None = None) -> None:
        """Write an event about this node, of now or ``at`` a Unix time, and tell the others."""
        own = self.peers.gossip.table.own
        record = self.events.write(kind, own.name, text, instance=own.instance, at=at)
        self._publish([record])

    def _publish(self, records: list[Record]) -> None:
        if self.presence is not None and not self._has_mesh:
            self.presence.note_news()
        self.peers.gossip.publish(records)

    def _note_alerts(self, alerts: list[Alert]) -> None:
        """Write an event for each change of an alert that this agent has judged."""
        records = []
        for alert in alerts:
            member = self.alerts.cluster.member(alert.address)
            records.append(
                self.events.write(
                    "alert-fired" if alert.state == "firing" else "alert-cleared",
                    alert.node,
                    event_text(alert),
                    instance=member.instance if member is not None else "",
                )
            )
        self._publish(records)

    def leave(self) -> None:
        """Tell the peers that this node leaves on purpose, a moment before ``stop``.

        Peers that have dialed us are told on their connections too, by an answer to no request: so
        it comes before the end of the connection, and also reaches peers that we have not dialed.
        """
        self._debut.stop()
        self._observer.stop()
        gossip, table = self.peers.gossip, self.peers.gossip.table
        farewell = self.events.write("left", table.own.name, "stopped", instance=table.own.instance)
        gossip.leave(farewell)
        fields = {"member": table.own, "digest": table.digest, **gossip.events.telling([farewell])}
        goodbye = with_id(self.responder.encoder.fields(**fields), JOIN)
        for session in tuple(self.sessions):
            if session.from_agent:
                session.wire.send(goodbye)
        if self.presence is not None:
            self.presence.leave()

    def stop(self) -> None:
        """End every connection; nothing is asked or dialed any more."""
        self.alerts.stop()
        self.local.stop()
        self.keeper.stop()
        self.watch.stop()
        self.responder.stop()
        if self.push is not None:
            self.push.stop()
        for session in tuple(self.sessions):
            session.shut(GOING_AWAY, "shutting down")
        self.peers.stop()
        if self.presence is not None:
            self.presence.stop()

    def sampled(self, sample: Sample) -> None:
        """Take this node's newest sample."""
        self.local.update(sample)
        self.responder.queries.sampled()
        if self.presence is not None:
            self.presence.samples.sampled()
        step = self._clock_steps.step(sample.time, sample.clock)
        if step is not None:
            way = "forward" if step > 0 else "back"
            self.note("clock-stepped", f"set {way} by {abs(step):.1f} s")
        self.watch.sampled(sample)

    def accepted(self, wire: Wire, hello: Hello) -> Session:
        """A client, or a peer that has dialed us, has connected."""
        session = Session(self.responder, wire, hello, self._session_ended)
        self.sessions[session] = None
        if hello.instance:
            self.peers.inbound_opened(hello, wire)
        return session

    def _session_ended(self, session: Session) -> None:
        if session in self.sessions:
            del self.sessions[session]
            self.peers.links.inbound_ended(session.hello, session.wire)

    @property
    def _has_mesh(self) -> bool:
        return self.presence is None or bool(self._site)

    def _is_far(self, address: Address) -> bool:
        """Whether a node is reached over the backplane: with a site, those that are not in it."""
        presence = self.presence
        if presence is None or not self._site:
            return presence is not None
        group, member = presence.group(str(address)), self.peers.roster.members.get(address)
        if group == self._site:
            return presence.knows(address)  # it has the tag, and no mesh
        return bool(group) or member is None or not member.configured

    def _dial(self, address: Address, handler: DialHandler) -> Timer:
        if self.presence is not None and self._is_far(address):
            return self.presence.dial(address, handler)
        entry = self.peers.gossip.table.entries.get(str(address))
        site = entry.tags.get(SITE, self._site) if entry is not None else self._site
        if self._site and site != self._site:
            why = f"in the site {site}, which this agent cannot reach: it has no backplane"
            return self.clock.call_at(self.clock.time(), handler.refused, why)
        return self._dial_near(address, handler)

    def _witnesses(self, member: Member) -> bool:
        """Whether it is for this agent to tell what happens to a node: those of its site see it best."""
        if self.presence is None or not self._is_far(member.address):
            return True
        group = self.presence.group(str(member.address))
        hears_all = self.presence.bus.up and self.presence.awake
        return hears_all and not (group and self.presence.hears(group))

    def _sees_since(self, near: bool) -> float:
        """When this agent began to see the nodes of its mesh, or the others, on the core's clock."""
        if self.presence is None or (near and self._site):
            return self._started
        return self.presence.awake_since

    def _rank(self, near: bool) -> int:
        """How many agents come before this one to tell what happens to a node of its mesh, or to another.

        The speaker of a site has links that the other agents of the site have not.
        """
        gossip = self.peers.gossip
        if near and self._site:
            return gossip.rank(lambda link: not self._is_far(link.address))
        return gossip.rank()

    def _site_numbers(self, publish: Callable[[bytes], None]) -> None:
        """Publish the answer of all nodes of the site, as soon as it is there."""
        waiter = _Publisher(NUMBERS_WITHIN, self.clock.time() + NUMBERS_WITHIN, (), publish)
        self.responder.queries.ask(Question(nodes=(f"{SITE}:{self._site}",)), waiter)

    def _is_firing(self) -> bool:
        """Whether there is an alert of this node."""
        own = self.alerts.table.of(self.peers.gossip.table.own.address)
        return any(alert.state == "firing" for alert in own)

    def judge_by(self, rules: Iterable[Rule], tags: Mapping[str, str]) -> None:
        """Judge this node and the others by these rules from now on; ``tags`` are those of this one."""
        rules = tuple(rules)
        self.watch.use(rules, tags)
        self.alerts.survivors.use(rules)

    def _judged(self, alerts: list[Alert]) -> None:
        self.alerts.judged(alerts)
        for alert in alerts:
            if alert.state == "firing":
                log.warning("Alert %s, %s: %s", alert.rule, alert.severity, alert.text)
            else:
                log.info("Alert %s is over: %s", alert.rule, alert.text)

    def _act(self, events: list[PeerEvent]) -> None:
        self.alerts.act(events)
        near = self.peers.roster.is_near
        if self.presence is not None and any(near(event.member) for event in events):
            down = (event.member for event in events if isinstance(event, PeerDown))
            self.presence.site_changed([member.instance for member in down if member.left])
        push = self.push
        for event in events:
            member = event.member
            if isinstance(event, PeerUp):
                self._observer.up(member.name, member.instance, near=near(member))
                if push is not None:
                    push.subscribe(member)
                continue
            self.responder.queries.failed(member, None, member.error)
            if isinstance(event, PeerDown):
                reason = member.error.removeprefix("down: ")
                if self._witnesses(member):
                    self._observer.down(
                        member.name, member.instance, reason, left=member.left, near=near(member)
                    )
            if push is not None and isinstance(event, PeerDown):
                push.cache.changed()
            elif push is not None:
                push.cache.forget(member)

    def _replied(self, member: Member, query: int | None, answer: PeerAnswer | WireError) -> None:
        if isinstance(answer, WireError):
            reason = f"bad answer: {answer}"
            self.responder.queries.failed(member, query, reason)
            if self.push is not None:
                self.push.cache.fail(member, reason)
        elif query == STREAM_ID:
            if self.push is not None:
                self.push.received(member, answer)
        elif query == KEEP:
            self.keeper.received(member, answer)
        elif query is not None:
            self.responder.queries.answered(member, query, answer)
