"""Who is there on a backplane, and how agents ask each other over it.

Every process tells its *word* every ten seconds. Who has heard it can be dialed: there is no connection
to make, so an attempt succeeds with the first word and fails without one. What an agent asks another
is taken by a session, as if it had dialed.

An agent that nobody asks is *asleep*: it tells its word and answers, but hears no words. So what it
costs does not grow with the number of nodes. It is *awake* while its clients ask about others.
Three agents, the *registrars*, are awake always: they remember who was there, and judge who is down.
An agent that has *news*, such as an event or an alert, says so in its word; the registrars answer, and it
exchanges news with them.

The agents of a *site* have a mesh, too, by which they know each other. Of them one tells words, for all: the *speaker*.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace

from nodnod_agent.core.backplane.conversations import (
    ALIVE,
    CONFIDE,
    SERVE,
    UNUSED_FOR,
    Accept,
    Conversations,
)
from nodnod_agent.core.backplane.dialing import NOT_THERE, SILENCE, Attempt, Dialing
from nodnod_agent.core.backplane.listener import Listener
from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.backplane.processes import Processes
from nodnod_agent.core.backplane.registrars import Registrars
from nodnod_agent.core.backplane.samples import Samples
from nodnod_agent.core.backplane.site import Site
from nodnod_agent.core.backplane.subjects import (
    ALL,
    ANSWER,
    ASK,
    BEAT,
    NUMBERS,
    SAMPLE,
    SITE,
    TELL,
    WORD,
    Sender,
    Subjects,
)
from nodnod_agent.core.backplane.teller import AS_BEFORE, GATHERING, SPREAD, Teller
from nodnod_agent.core.backplane.wakefulness import STARTING_FOR, Wakefulness
from nodnod_agent.core.backplane.word import Call, decode_call
from nodnod_agent.core.encoding import renamed_node
from nodnod_agent.core.interfaces import (
    Backplane,
    Clock,
    DialHandler,
    Random,
    Timer,
)
from nodnod_agent.core.membership.member import NO_BACKPLANE, Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_client.address import Address
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import BackplaneInfo

ASKED_AFTER = 11.5
"""Seconds of silence after which a process is asked for a word: one may have been lost."""

LATE = 2.5
"""Intervals of its samples after which it is, too, while it publishes them."""

WOKEN_SILENCE = 4.0
"""Seconds in which a process must be heard after this one woke, and called all."""

TAKEN_OVER = 5.0
"""Seconds until another agent speaks for a site whose speaker is not connected."""

CHECK_EVERY = 1.0

COMPARING = SPREAD + 0.03
"""Seconds after a call until a registrar is asked for those that have not answered."""

STALL = 1.0
"""Seconds by which a check is late if this process stood still, and could hear nothing."""

log = logging.getLogger("nodnod")


class Presence:
    """Tells others that this process is there, hears them, and carries what they ask each other."""

    def __init__(
        self,
        bus: Backplane,
        cluster: str,
        peers: Peers,
        accept: Accept,
        own_sample: Callable[[], bytes],
        published: Callable[[Member], None],
        is_busy: Callable[[], bool],
        is_news: Callable[[], bool],
        *,
        site: str,
        site_numbers: Callable[[Callable[[bytes], None]], None],
        every: float,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
    ) -> None:
        """``own_sample`` gives the object of this node, which has a new one ``every`` so many seconds.

        ``published`` is told of the numbers of others; ``is_busy`` tells whether to stay awake, and ``is_news``
        whether there is something that the registrars have to know. ``site`` is that of this agent, if
        it has a mesh; ``site_numbers`` hands over the answer of all its nodes.
        """
        table = peers.gossip.table
        self.bus = bus
        self._sender = Sender(table.own.name, table.own.instance)
        self._subjects = Subjects(cluster, self._sender, site)
        self._peers = peers
        self._published = published
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._gathered = 0.0
        """When all can have answered the last call for words."""
        self._away_since = wall()
        self._away_for = ""
        self._back_since = 0.0
        self._checking: Timer | None = None
        self._check_at = 0.0
        self.site: Site | None = None
        if site:
            self.site = Site(
                site,
                self._sender,
                peers,
                lambda data: bus.publish(self._subjects.beat, data),
                self._speaker_changed,
                clock,
            )
        self._wakefulness = Wakefulness(
            self._sender,
            lambda: is_busy() or (self.site is not None and self.speaks),
            is_news,
            clock,
            rng,
        )
        self._teller = Teller(
            bus,
            self._subjects,
            table,
            every,
            self._wakefulness,
            self.site,
            self._told,
            clock,
            rng,
        )
        self.processes = Processes(clock)
        self._conversations = Conversations(bus, self._subjects, accept, self._opened, clock)
        self._registrars = Registrars(
            self.processes,
            table,
            self._wakefulness,
            lambda: self._call(Call(registrar=True)),
            clock,
            rng,
        )
        self._dialing = Dialing(
            self.processes,
            table,
            self._conversations.open,
            lambda sender: self._conversations.send(sender, ALIVE),
            lambda: "" if bus.up else self._away,
            lambda: self.awake,
            clock,
        )
        self._listener = Listener(self._sender, site, self.processes, peers, self._dialing, self)
        self._takes = {
            WORD: self._take_word,
            TELL: self._take_word,
            SAMPLE: self._take_sample,
            ASK: self._take_request,
            ANSWER: self._conversations.take_answer,
        }
        self._takes_of_site = {
            SITE: self._take_site,
            NUMBERS: self._take_numbers,
        }
        self.samples = Samples(
            peers.roster,
            lambda member: not peers.roster.is_near(member) or self.site is None,
            partial(self._publish_numbers, own_sample, site_numbers),
            self._lease,
            clock,
            rng,
            SPREAD,
        )

    @property
    def awake(self) -> bool:
        """Whether it hears the words of others."""
        return self._wakefulness.awake

    @property
    def awake_since(self) -> float:
        """When it woke, on the core's clock; infinite while it sleeps."""
        return self._wakefulness.since if self.awake else float("inf")

    @property
    def registrar(self) -> bool:
        """Whether it is one."""
        return self._wakefulness.registrar

    @property
    def speaks(self) -> bool:
        """Whether it tells words: for itself, or for its site."""
        return self._teller.speaks

    def start(self) -> None:
        """Begin to tell and to hear."""
        for subject in self._subjects.own:
            self.bus.subscribe(subject)
        self._choose_lists()
        if self.site is not None and self._wakefulness.attend(STARTING_FOR):
            self._wake()
        self.bus.start(self)

    def leave(self) -> None:
        """Tell all that this process leaves on purpose."""
        self._teller.leave()
        if self.site is not None:
            self.site.election.end(leaving=True)

    def stop(self) -> None:
        """Tell and hear nothing more."""
        if self._checking is not None:
            self._checking.cancel()
        self._teller.stop()
        self._dialing.stop()
        self.samples.stop()

    def dial(self, address: Address, handler: DialHandler) -> Attempt:
        """Reach the process at an address as soon as it is heard; the core's way to dial."""
        return self._dialing.dial(address, handler)

    def knows(self, address: Address) -> bool:
        """Whether a process at an address is heard."""
        return address in self.processes.at

    def group(self, address: str) -> str:
        """Who judges a node, and tells people of it: the agents of its site."""
        return self._listener.group(address)

    def members(self, group: str, up: list[str]) -> list[str]:
        """The agents of the site; nobody, if it is another that can tell by itself.

        Without a mesh the registrars, or all where none is up. Who sleeps does not hear what the others
        have judged or told people: to it nobody does.
        """
        if self.site is not None:
            if group == self.site.name:
                return [address for address in up if self.group(address) == group]
            if not self.bus.up:
                return []
        if not self.awake or (group and self.hears(group)):
            return []
        return self._registrars.serving(up) or (up if self.site is None else [])

    def sees(self, group: str) -> bool:
        """Whether this agent knows who of a group is up: who sleeps knows it of its own mesh only."""
        return self.awake or (self.site is not None and group == self.site.name)

    def hears(self, site: str) -> bool:
        """Whether somebody speaks for another site."""
        return self.processes.speak_for(site)

    def site_changed(self, left: Iterable[str]) -> None:
        """Note that nodes are up or down, or (by their instances) have left: other sites have to know it."""
        if self.site is None:
            return
        self.site.changed(left)
        if self.speaks:
            self._teller.tell_soon()

    def connection(self) -> BackplaneInfo:
        """The connection to the backplane, as told to clients."""
        if self.bus.up:
            return BackplaneInfo(self.bus.server, self._back_since)
        return BackplaneInfo("", self._away_since, self._away_for or "not connected yet")

    def attend(self) -> float:
        """Be awake, since somebody asks; the seconds until all can be known."""
        if self._wakefulness.attend():
            self._wake()
        return max(0.0, self._gathered - self._clock.time()) if self.bus.up else 0.0

    def note_news(self) -> None:
        """Tell the registrars what has happened here."""
        if self.site is None:  # else its mesh is told, with the speaker in it
            self._wakefulness.note_news()
            self._teller.tell_soon()

    # What the bus reports.

    def connected(self) -> None:
        """Tell all, and have all tell if this agent is awake: they were not heard for a while."""
        self._back_since = self._wall()
        self.samples.end()  # a lease taken meanwhile has reached nobody
        if self.site is not None:
            self.site.election.begin()
        # Nor could a registrar be heard: it may be about to come back.
        self._registrars.called()
        self._teller.answered()
        self._wakefulness.wait()
        if self.site is None:
            self._wakefulness.note_news()  # that it has started, or what has happened meanwhile
        self._teller.tell_whole()
        if self.awake:
            self._call(Call(words=True))
        self._dialing.resume()

    def disconnected(self, reason: str) -> None:
        """Note that nobody can be heard or asked."""
        self._away_since = self._wall()
        self._away_for = reason
        self.samples.end()
        if self.site is not None:
            self.site.election.end()
        for process in self.processes:
            self._listener.end(process, self._away)
        self._dialing.refuse_all(self._away)

    def unheard(self, subject: str) -> None:
        """Note that nobody is awake to hear the words of this agent, so there is no registrar; or that the
        process is not connected from which an answer was to come to this subject.
        """
        if subject == self._subjects.reply:
            self.attend()
            return
        try:
            kind, sender, _ = self._subjects.parse(subject)
        except ValueError:
            return
        if kind != ANSWER:  # a stranger says so
            return
        process = self.processes.get(sender)
        if process is not None and process.site:
            # The next speaker of its site tells what has become of it.
            process.heard = min(process.heard, self._clock.time() - SILENCE + TAKEN_OVER)
        elif process is not None:
            self._listener.end(process, NOT_THERE)
        self._dialing.missing(sender)

    def received(self, subject: str, data: bytes, _: str) -> None:
        """Take a message."""
        try:
            kind, sender, site = self._subjects.parse(subject)
        except ValueError as error:
            log.warning("Dropped a message of the backplane: %s", error, extra={"key": "subject"})
            return
        if sender == self._sender:
            return
        process = self.processes.get(sender)
        if process is not None:
            process.heard = self._clock.time()
        if kind == ALL:
            self._take_call(sender, data)
            return
        if kind == BEAT:
            if self.site is not None and site == self.site.name:
                self.site.election.heard(sender, data)
            return
        if process is None and kind not in (SAMPLE, ANSWER, NUMBERS):
            process = self.processes.meet(sender)
        if process is None:
            return
        if site:
            self._takes_of_site[kind](process, data, site)
        else:
            self._takes[kind](process, data)

    def _take_word(self, process: Process, data: bytes) -> None:
        if data == AS_BEFORE:
            if process.word is None or process.via is not None:
                self._conversations.send(process.sender, ALIVE)
        elif (word := self._listener.take_word(process, data)) is None:
            return
        elif word.registrar:
            self._teller.answered()
        self._ask_for_news(process)

    def _ask_for_news(self, process: Process) -> None:
        """As a registrar, tell who has news that it is one."""
        if self.registrar and process.word is not None and process.word.news:
            self._teller.tell_to(process.sender)

    def _take_site(self, speaker: Process, data: bytes, site: str) -> None:
        if data != AS_BEFORE:
            self._listener.take_site(speaker, data, site)
        elif not speaker.told:
            self._conversations.send(speaker.sender, ALIVE)

    def _take_numbers(self, speaker: Process, data: bytes, site: str) -> None:
        """Take the numbers of all nodes for which a speaker speaks."""
        if site != speaker.site or speaker.word is None:
            return
        try:
            nodes = decode_peer_answer(data).nodes
        except WireError as error:
            self._listener.complain(speaker.sender, f"bad numbers: {error}")
            return
        for listed, node in nodes.items():
            if listed == speaker.sender.name and listed not in speaker.spoken:
                self._take_sample(speaker, bytes(node))
            elif (process := speaker.spoken.get(listed)) is not None:
                self._take_sample(process, bytes(node), listed)

    def _take_sample(self, process: Process, data: bytes, listed: str = "") -> None:
        if process.address is not None and process.word is not None:
            name = listed or process.sender.name
            if name != process.sender.name:
                try:
                    data = renamed_node(data, process.sender.name)
                except WireError:
                    return
            samples, every = self.samples, process.word.every
            member = samples.take(process.address, process.sender.name, data, every)
            if member is not None:
                self._published(member)

    def _take_request(self, process: Process, data: bytes) -> None:
        if data == ALIVE:
            self._teller.owe(process.sender)
        elif data == SERVE:
            if self.speaks:
                self.attend()
                self._wakefulness.serve()
                self._serving_changed()
        elif data == CONFIDE:
            self.note_news()
        else:
            self._conversations.take_request(process, data)

    def _take_call(self, sender: Sender, data: bytes) -> None:
        try:
            call = decode_call(data)
        except WireError as error:
            self._listener.complain(sender, f"a bad call: {error}")
            return
        if call.words:
            self._teller.owe(sender)
        if call.registrar:
            self._registrars.called()
        if call.lease > 0:  # of a site, the next speaker goes on with it
            self.samples.called(call.lease, is_first=call.first)

    # What the listener has found.

    def noted(self, process: Process, *, is_new: bool) -> None:
        """A process is there, at its address."""
        assert process.word is not None
        assert process.address is not None
        entry = process.word.member
        known = self._peers.gossip.table.entries.get(entry.address)
        if is_new and self.registrar and known is not None and known.state == "left":
            # Another process of this name has left, and only this one can say that it is there.
            self._conversations.send(process.sender, CONFIDE)
        self._dialing.heard(process, process.address)
        self._gossip_with(process)

    def _opened(self, process: Process) -> None:
        self.samples.renew()
        self._gossip_with(process)

    def ended(self, process: Process, reason: str) -> None:
        """End all that goes on with a process."""
        if self.processes.forget(process):
            assert process.address is not None
            self.samples.forget(process.address)
        self._conversations.end(process, reason)

    # Own words, calls and numbers.

    def _told(self) -> None:
        """Keep house, as often as words are told."""
        now = self._clock.time()
        is_unheard = self._teller.is_unanswered or self._registrars.are_silent
        if is_unheard and not self.awake and self.bus.up:
            self.attend()
        for process in self.processes:
            if not self.awake:
                self._gossip_with(process)  # until there is no more news
            self._conversations.end_unused(process)
            # Who is awake ends them sooner, and who sleeps keeps those that it knows.
            is_used = process.wire is not None or process.session is not None
            if not is_used and now - process.alive > UNUSED_FOR:
                self._listener.end(process, "")

    def _publish_numbers(
        self,
        own_sample: Callable[[], bytes],
        site_numbers: Callable[[Callable[[bytes], None]], None],
    ) -> None:
        if self.site is None:
            self.bus.publish(self._subjects.sample, own_sample())
        elif self.speaks:
            site_numbers(partial(self.bus.publish, self._subjects.numbers))

    def _speaker_changed(self) -> None:
        if self.site is not None:
            verb = "speaks" if self.speaks else "no longer speaks"
            log.info("This agent %s for the site %s", verb, self.site.name)
        if self.speaks:
            self.attend()
            self._teller.tell_whole()
        for process in self.processes:
            if self.speaks:
                self._gossip_with(process)
            elif process.address is not None:
                self._peers.gossip_with(process.address, False)

    def _call(self, call: Call) -> None:
        if call.words:
            self._gathered = self._clock.time() + GATHERING
            self._peers.meet_many()
            self._clock.call_at(self._gathered, self._gather)
        self.bus.publish(self._subjects.all, encode(call))

    def _gather(self) -> None:
        """Go on after a call for words: all that are there are known."""
        if self._clock.time() < self._gathered:
            return  # there was another call
        self._peers.meet_one_by_one()

    def _lease(self, seconds: float, is_first: bool) -> None:
        for subject in self._subjects.samples:
            self.bus.subscribe(subject)
        self._call(Call(lease=seconds, first=is_first))

    def _show_no_more(self) -> None:
        """Hear no samples: those of a thousand nodes take a twentieth of a core."""
        for subject in self._subjects.samples:
            self.bus.unsubscribe(subject)
        self.samples.end()

    # Awake and asleep.

    def _choose_lists(self) -> None:
        """Exchange lists of members only while this agent has to know them."""
        self._peers.gossip.compares = self.awake or self.site is not None

    def _wake(self) -> None:
        self._choose_lists()
        self._teller.answered()
        for subject in self._subjects.words:
            self.bus.subscribe(subject)
        self._allow_time()
        for process in self.processes:
            if process.word is not None:  # of a time when it may have been a registrar
                process.word = replace(process.word, awake=False, registrar=False)
        self._dialing.resume()
        self._call(Call(words=True))
        self._clock.call_at(self._clock.time() + COMPARING, self._peers.gossip.compare)
        self._teller.tell_soon()
        self._plan_check()

    def _allow_time(self) -> None:
        """Let all have some time to be heard: for a while this process could not hear them."""
        least = self._clock.time() - SILENCE + WOKEN_SILENCE
        for process in self.processes:
            process.heard = max(process.heard, least)

    def _sleep(self) -> None:
        self._choose_lists()
        for subject in self._subjects.words:
            self.bus.unsubscribe(subject)
        self._show_no_more()
        self._registrars.called()
        for process in self.processes:
            self._gossip_with(process)
        self._teller.tell_soon()

    def _check(self) -> None:
        """End what is silent, and ask first what may be."""
        now = self._clock.time()
        if now > self._check_at + STALL:
            self._allow_time()
        if not self.bus.up:  # nobody can be heard, nor appointed
            self._plan_check()
            return
        for process in self.processes:
            silent = now - process.alive
            if silent >= SILENCE:
                self._listener.end(process, f"no sign of life for {silent:.2g} s")
            elif process.wire is not None and process.via is None and self._is_late(process, now):
                process.wire.send(ALIVE)
        if not self.samples.leased:
            self._show_no_more()
        was = self.registrar
        self._registrars.review(may_serve=self.speaks)
        if not self.awake:
            self._sleep()
            return
        if self.registrar != was:
            self._serving_changed()
        self._plan_check()

    def _serving_changed(self) -> None:
        """Act on the change that this agent is a registrar now, or no longer."""
        self._teller.tell_soon()
        for process in self.processes:
            self._gossip_with(process)
            self._ask_for_news(process)

    def _is_late(self, process: Process, now: float) -> bool:
        """Whether a word of a process is late, or its numbers while it publishes them."""
        if now - process.heard >= ASKED_AFTER:
            return True
        if not self.samples.leased or process.word is None:
            return False
        return now - max(process.heard, self.samples.since) >= LATE * max(process.word.every, 1.0)

    def _plan_check(self) -> None:
        # At random moments: agents that started together would all be registrars at once.
        self._check_at = self._clock.time() + CHECK_EVERY * self._rng.uniform(0.5, 1.0)
        self._checking = self._clock.call_at(self._check_at, self._check)

    def _gossip_with(self, process: Process) -> None:
        """Exchange news with registrars, while awake or with news, and as one with all that are awake.

        Of a site the speaker does, and the others in their mesh with it.
        """
        if process.address is None or process.word is None or not self.speaks:
            return
        state, word = self._wakefulness, process.word
        confides = word.registrar and (state.awake or state.has_news)
        listens = state.registrar and word.awake
        self._peers.gossip_with(process.address, confides or listens)

    # Others.

    @property
    def _away(self) -> str:
        since = datetime.fromtimestamp(self._away_since, UTC)
        return f"{NO_BACKPLANE} since {since:%H:%M:%S} UTC"
