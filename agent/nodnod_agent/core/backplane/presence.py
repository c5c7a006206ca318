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
from typing import Protocol

from msgspec.structs import replace

from nodnod_agent.core.backplane.process import BusWire, Process
from nodnod_agent.core.backplane.relay import Relay
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
from nodnod_agent.core.backplane.wakefulness import STARTING_FOR, Wakefulness
from nodnod_agent.core.backplane.word import Call, Spoken, Word, decode_call, decode_word
from nodnod_agent.core.encoding import renamed_node, with_id
from nodnod_agent.core.interfaces import (
    Backplane,
    Clock,
    DialHandler,
    Hello,
    Random,
    Timer,
    Wire,
)
from nodnod_agent.core.membership.member import NO_BACKPLANE, Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.membership.table import MAX_ENTRY, MAX_EXTRAS, MAX_FAR
from nodnod_agent.core.requests.session import Session
from nodnod_client.address import Address, parse_address
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.errors import AddressError, WireError
from nodnod_client.messages import BackplaneInfo, MemberEntry

WORD_EVERY = 10.0
"""Seconds between two words of a process, give or take a tenth."""

WHOLE_EVERY = 60.0
"""Seconds after which a word is told whole though it has not changed: the last one may have been lost."""

AS_BEFORE = b""
"""A word that has not changed."""

ASKED_AFTER = 11.5
"""Seconds of silence after which a process is asked for a word: one may have been lost."""

LATE = 2.5
"""Intervals of its samples after which it is, too, while it publishes them."""

SILENCE = 13.5
"""Seconds of silence after which a process is down."""

WOKEN_SILENCE = 4.0
"""Seconds in which a process must be heard after this one woke, and called all."""

NOT_THERE = "not on the backplane"

CHECK_EVERY = 1.0

SPREAD = 0.25
"""Seconds within which all answer a call, at random moments."""

GATHERING = SPREAD + 0.1
"""Seconds after a call until all can have answered, and a registrar after them."""

COMPARING = SPREAD + 0.03
"""Seconds after a call until a registrar is asked for those that have not answered."""

WORDS_APART = 0.1
"""Seconds between two words at least, however often others ask for one."""

UNTOLD_FOR = 3 * WORD_EVERY
"""Seconds without a registrar's call, and at most a word's interval more, after which one that is asleep
wakes: a bus may take minutes to notice that a process has lost its power."""

UNUSED_FOR = 60.0
"""Seconds after which a session that asks nothing ends."""

STALL = 1.0
"""Seconds by which a check is late if this process stood still, and could hear nothing."""

MAX_PROCESSES = 2 * MAX_FAR
"""Processes that are known at a time; those of strangers would take memory without end."""

MAX_WORD = MAX_ENTRY + MAX_EXTRAS + 100
"""Bytes of a word: a member's entry, and what is beside it."""

PAYLOAD = 1024 * 1024
"""Bytes of a message that a bus takes, unless it is configured otherwise."""

ALIVE = b""
"""A request for a word only."""

FEW = 3
"""Callers up to which each is told a word of its own; more are told by one to all."""

SERVE = b"serve"
"""A request to be a registrar."""

CONFIDE = b"confide"
"""A request to exchange news with the registrars, which know something of that process that is wrong."""

log = logging.getLogger("nodnod")


class Accept(Protocol):
    """Takes an agent that asks something for the first time."""

    def __call__(self, wire: Wire, hello: Hello) -> Session:
        """Return what takes its requests."""


class Attempt:
    """An attempt to dial, which waits for a word."""

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

        ``published`` is told of the numbers of others; ``is_busy`` whether to stay awake, and
        ``is_news`` whether there is something that the registrars have to know. ``site`` is that of this agent, if it has a mesh; ``site_numbers`` hands over the answer of all its nodes.
        """
        own = peers.gossip.table.own
        self._sender = Sender(own.name, own.instance)
        self._started = own.incarnation
        self._subjects = Subjects(cluster, self._sender, site)
        self._peers = peers
        self._accept = accept
        self._published = published
        self._every = every
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._processes: dict[Sender, Process] = {}
        self._at: dict[Address, Process] = {}
        """The newest process at each address."""
        self._attempts: dict[Address, Attempt] = {}
        self._said: dict[Address, str] = {}
        """Why nodes of other sites are down, as their speakers say."""
        self._wakefulness = Wakefulness(
            self._sender,
            lambda: is_busy() or (self.site is not None and self.speaks),
            is_news,
            clock,
            rng,
        )
        self._gathered = 0.0
        """When all can have answered the last call for words."""
        self._away_since = wall()
        self._away_for = ""
        self._back_since = 0.0
        self._told_at = float("-inf")
        self._registrar_at = float("-inf")
        """When a registrar has called last, this one or another."""
        self._telling: Timer | None = None
        """The next word."""
        self._telling_at = float("inf")
        self._whole = AS_BEFORE
        """The last word that was told whole, and when; none if the next one has to be."""
        self._whole_at = 0.0
        self._asked_at = float("inf")
        """When this agent first told of news that no registrar has asked for yet."""
        self._callers: dict[Sender, None] = {}
        """Who has called, or asked, for a word, and is not told yet."""
        self._answering: Timer | None = None
        self._checking: Timer | None = None
        self._check_at = 0.0
        self._takes = {
            WORD: self._take_word,
            TELL: self._take_word,
            SAMPLE: self._take_sample,
            ASK: self._take_request,
            ANSWER: self._take_answer,
        }
        self._takes_of_site = {
            SITE: self._take_site,
            NUMBERS: self._take_numbers,
        }
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
        self._relay = Relay(lambda process, data: self._send(process.sender, data), clock)
        self.samples = Samples(
            peers.roster,
            lambda member: not peers.roster.is_near(member) or self.site is None,
            partial(self._publish_numbers, own_sample, site_numbers),
            self._lease,
            clock,
            rng,
            SPREAD,
        )
        self.bus = bus

    @property
    def awake(self) -> bool:
        """Whether it hears the words of others."""
        return self._wakefulness.awake

    @property
    def registrar(self) -> bool:
        """Whether it is one."""
        return self._wakefulness.registrar

    def start(self) -> None:
        """Begin to tell and to hear."""
        for subject in self._subjects.own:
            self.bus.subscribe(subject)
        self._choose_lists()
        if self.site is None:
            self._wakefulness.note_news()  # that it has started
        elif self._wakefulness.attend(STARTING_FOR):
            self._wake()
        self.bus.start(self)

    @property
    def speaks(self) -> bool:
        """Whether it tells words: for itself, or for its site."""
        return self.site is None or self.site.election.speaks

    def leave(self) -> None:
        """Tell all that this process leaves on purpose: its speaker may leave at the same time."""
        self._tell()
        if self.site is not None:
            if not self.speaks:
                self.bus.publish(self._subjects.site, encode(self._word()))
            self.site.election.end(leaving=True)

    def stop(self) -> None:
        """Tell and hear nothing more."""
        for timer in (self._telling, self._answering, self._checking):
            if timer is not None:
                timer.cancel()
        for attempt in tuple(self._attempts.values()):
            attempt.cancel()
        self.samples.stop()

    def dial(self, address: Address, handler: DialHandler) -> Attempt:
        """Reach the process at an address as soon as it is heard; the core's way to dial."""
        attempt = self._attempts[address] = Attempt(address, handler, self._finish)
        attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)
        return attempt

    def knows(self, address: Address) -> bool:
        """Whether a process at an address is heard."""
        return address in self._at

    def group(self, address: str) -> str:
        """Who judges a node, and tells people of it: the agents of its site."""
        table = self._peers.gossip.table
        entry = table.own if address == table.own.address else table.entries.get(address)
        return entry.tags.get(SITE, "") if entry is not None else ""

    def members(self, group: str, up: list[str]) -> list[str]:
        """The agents of the site; nobody, if it is another that can tell by itself.

        Without a mesh the registrars, or all where none is up: the others sleep.
        """
        if self.site is not None:
            if group == self.site.name:
                return [address for address in up if self.group(address) == group]
            if not self.bus.up:
                return []
        if group and self.hears(group):
            return []
        own = self._peers.gossip.table.own.address if self.registrar else ""
        known = {str(one.address) for one in self._at.values() if _is_registrar(one)}
        serving = [address for address in up if address in known or address == own]
        return serving or (up if self.site is None else [])

    def hears(self, site: str) -> bool:
        """Whether somebody speaks for another site."""
        return any(process.site == site for process in self._processes.values())

    def site_changed(self, left: Iterable[str]) -> None:
        """Note that nodes are up or down, or (by their instances) have left: other sites have to know it."""
        if self.site is None:
            return
        self.site.changed(left)
        if self.speaks:
            self._tell_soon()

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
            self._tell_soon()

    # What the bus reports.

    def connected(self) -> None:
        """Tell all, and have all tell if this agent is awake: they were not heard for a while."""
        self._back_since = self._wall()
        self.samples.end()  # a lease taken meanwhile has reached nobody
        if self.site is not None:
            self.site.election.begin()
        # Nor could a registrar be heard: it may be about to come back.
        self._registrar_at = self._clock.time()
        self._asked_at = float("inf")
        self._wakefulness.wait()
        self._whole = AS_BEFORE
        self._tell()
        if self.awake:
            self._call(Call(words=True))

    def disconnected(self, reason: str) -> None:
        """Note that nobody can be heard or asked."""
        self._away_since = self._wall()
        self._away_for = reason
        self.samples.end()
        if self.site is not None:
            self.site.election.end()
        for process in tuple(self._processes.values()):
            self._end(process, self._away)
        for attempt in tuple(self._attempts.values()):
            self._refuse(attempt, self._away)

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
        process = self._processes.get(sender)
        if process is not None:
            self._end(process, NOT_THERE)
        for attempt in tuple(self._attempts.values()):
            if self._expected(attempt.address) == sender:
                self._refuse(attempt, NOT_THERE)

    def received(self, subject: str, data: bytes, _: str) -> None:
        """Take a message."""
        try:
            kind, sender, site = self._subjects.parse(subject)
        except ValueError as error:
            log.warning("Dropped a message of the backplane: %s", error, extra={"key": "subject"})
            return
        if sender == self._sender:
            return
        process = self._processes.get(sender)
        if process is not None:
            process.heard = self._clock.time()
        if kind == ALL:
            self._take_call(sender, data)
            return
        if kind == BEAT:
            self._take_beat(sender, data, site)
            return
        if process is None:
            if kind in (SAMPLE, ANSWER, NUMBERS) or len(self._processes) >= MAX_PROCESSES:
                return
            process = self._processes[sender] = Process(sender, self._clock.time())
        if site:
            self._takes_of_site[kind](process, data, site)
        else:
            self._takes[kind](process, data)

    def _take_word(self, process: Process, data: bytes) -> None:
        if data == AS_BEFORE:
            if process.word is None or process.via is not None:
                self._send(process.sender, ALIVE)
            self._ask_for_news(process)
            return
        word = self._decode_word(process, data, MAX_WORD)
        if word is not None:
            self._speaks_for_itself(process)
            self._note(process, word)
            if word.registrar:
                self._asked_at = float("inf")
            self._ask_for_news(process)

    def _ask_for_news(self, process: Process) -> None:
        """As a registrar, tell who has news that it is one."""
        if self.registrar and process.word is not None and process.word.news:
            self._tell_to(process.sender)

    def _decode_word(self, process: Process, data: bytes, most: int) -> Word | None:
        try:
            if len(data) > most:
                raise WireError(f"it has {len(data)} bytes")
            word = decode_word(data)
            entry = word.member
            if (entry.name, entry.instance) != process.sender:
                raise WireError(f"it is of {entry.name[:64]!r}")
            parse_address(entry.address)
        except (WireError, AddressError) as error:
            self._complain(process.sender, f"a bad word: {error}")
            return None
        return word

    def _note(self, process: Process, word: Word) -> None:
        """Note what a process, or the speaker of its site, tells of it."""
        entry = word.member
        address = parse_address(entry.address)
        if process.address not in (None, address):
            self._complain(process.sender, f"a word of {address}, but it is at {process.address}")
            return
        member = self._peers.roster.members.get(address)
        if member is not None and member.name != entry.name and self._is_elsewhere(entry, address):
            self._complain(process.sender, f"a word of {address}, where {member.name} is")
            return
        self._said.pop(address, None)
        there = self._at.get(address)
        if there is not None and there is not process:
            if not _replaces(word, there, address):
                name, instance = there.sender
                self._complain(process.sender, f"a word of {address}, where {name} ({instance}) is")
                return
            self._end(there, "another process is there")
        before, process.word, process.address = process.word, word, address
        if entry.state == "left":
            self._peers.heard(entry)
            self._end(process, "left")
            return
        self._at[address] = process
        if process.wire is None or before is None or before.member != entry:
            self._peers.heard(entry)
            known = self._peers.gossip.table.entries.get(entry.address)
            if self.registrar and known is not None and known.state == "left":
                # Another process of this name has left, and only this one can say that it is there.
                self._send(process.sender, CONFIDE)
        attempt = self._attempts.get(address)
        if attempt is not None and process.wire is None:
            self._open(attempt, process)
        self._gossip_with(process)

    def _take_beat(self, sender: Sender, data: bytes, site: str) -> None:
        if self.site is not None and site == self.site.name:
            self.site.election.heard(sender, data)

    def _take_site(self, speaker: Process, data: bytes, site: str) -> None:
        """Take a speaker's word of all nodes of its site; those of the own site are in the mesh."""
        if data == AS_BEFORE:
            if not speaker.told:
                self._send(speaker.sender, ALIVE)
            return
        if (told := hash(data)) == speaker.told:
            return
        word = self._decode_word(speaker, data, PAYLOAD)
        if word is None:
            return
        if word.member.tags.get(SITE) != site:
            self._complain(speaker.sender, f"a word for the site {site}, where it is not")
            return
        speaker.told = told
        if self.site is not None and site == self.site.name:
            self._peers.heard(word.member)  # so an agent of the site finds its mesh
            return
        speaker.site = site
        self._speaks_for_itself(speaker)
        self._note(speaker, word)
        before, speaker.spoken = speaker.spoken, {}
        for one in word.others:
            if one.member.tags.get(SITE) == site:
                self._note_spoken(speaker, one, word.every)
        for process in before.values():
            known = self._processes.get(process.sender) is process
            if known and process.via is speaker and process.listed not in speaker.spoken:
                self._end(process, f"{speaker.sender.name} does not list it")

    def _note_spoken(self, speaker: Process, one: Spoken, every: float) -> None:
        """Note what a speaker tells of another node."""
        entry = one.member
        try:
            address = parse_address(entry.address)
        except AddressError as error:
            self._complain(speaker.sender, f"a bad address: {error}")
            return
        sender = Sender(entry.name, entry.instance)
        process = self._processes.get(sender)
        if sender == self._sender:
            return
        known = process.word.member if process is not None and process.word is not None else entry
        if known.tags.get(SITE) != speaker.site or self._is_elsewhere(entry, address):
            self._complain(speaker.sender, f"a word of {address}, which is in another site")
            speaker.told = 0  # it may have changed its site: look again at the next word
            return
        if one.error:
            self._note_down(entry, address, one.error)
            return
        if process is None:
            if len(self._processes) >= MAX_PROCESSES:
                return
            process = self._processes[sender] = Process(sender, self._clock.time())
        process.site, process.told, process.spoken = "", 0, {}
        process.via, process.listed = speaker, one.listed or entry.name
        speaker.spoken[process.listed] = process
        self._note(process, Word(entry, entry.incarnation, every))
        if entry.state == "up" and self._at.get(address) is not process:
            speaker.told = 0  # refused, for now

    def _is_elsewhere(self, entry: MemberEntry, address: Address) -> bool:
        """Whether the node at an address is up in another site, or the word is a goodbye for it."""
        member = self._peers.roster.members.get(address)
        if member is None or not (member.up or entry.state == "left"):
            return False
        return self.group(str(address)) != entry.tags.get(SITE, "")

    def _note_down(self, entry: MemberEntry, address: Address, error: str) -> None:
        if len(self._said) >= MAX_PROCESSES:
            del self._said[next(iter(self._said))]
        self._said[address] = error
        process = self._processes.get(Sender(entry.name, entry.instance))
        if process is not None:
            self._end(process, error)
            return
        self._peers.heard(entry)
        if (attempt := self._attempts.get(address)) is not None:
            self._refuse(attempt, error)

    def _speaks_for_itself(self, process: Process) -> None:
        if process.via is not None:
            process.via.spoken.pop(process.listed, None)
            process.via = None

    def _take_numbers(self, speaker: Process, data: bytes, site: str) -> None:
        """Take the numbers of all nodes for which a speaker speaks."""
        if site != speaker.site or speaker.word is None:
            return
        try:
            nodes = decode_peer_answer(data).nodes
        except WireError as error:
            self._complain(speaker.sender, f"bad numbers: {error}")
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
            self._owe(process.sender)
            return
        if data == SERVE:
            if not self.speaks:
                return
            self.attend()
            self._wakefulness.serve()
            self._serves()
            return
        if data == CONFIDE:
            self.note_news()
            return
        session = process.session
        process.used = self._clock.time()
        if session is None:
            session = self._open_session(process)
        if not session.full:  # else it has asked too much that is not answered
            session.received(data)

    def _take_answer(self, process: Process, data: bytes) -> None:
        if process.spoken and self._relay.answered(process, data):
            return
        if process.handler is not None:
            process.handler.received(data)

    def _take_call(self, sender: Sender, data: bytes) -> None:
        try:
            call = decode_call(data)
        except WireError as error:
            self._complain(sender, f"a bad call: {error}")
            return
        if call.words:
            self._owe(sender)
        if call.registrar:
            self._registrar_at = self._clock.time()
        if call.lease > 0:  # of a site, the next speaker goes on with it
            self.samples.called(call.lease, is_first=call.first)

    # Own words.

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
            self._whole = AS_BEFORE
            self._tell()
        for process in tuple(self._processes.values()):
            if self.speaks:
                self._gossip_with(process)
            elif process.address is not None:
                self._peers.gossip_with(process.address, False)

    def _call(self, call: Call) -> None:
        if call.words:
            self._gathered = self._clock.time() + GATHERING
        self.bus.publish(self._subjects.all, encode(call))

    def _lease(self, seconds: float, is_first: bool) -> None:
        for subject in self._subjects.samples:
            self.bus.subscribe(subject)
        self._call(Call(lease=seconds, first=is_first))

    def _show_no_more(self) -> None:
        """Hear no samples: those of a thousand nodes take a twentieth of a core."""
        for subject in self._subjects.samples:
            self.bus.unsubscribe(subject)
        self.samples.end()

    def _tell_soon(self) -> None:
        """Tell now, but not too often."""
        when = max(self._clock.time(), self._told_at + WORDS_APART)
        if when < self._telling_at:
            self._plan(when)

    def _owe(self, sender: Sender) -> None:
        """Tell one process a word soon."""
        if not self.speaks:
            return
        if len(self._callers) <= FEW:
            self._callers[sender] = None
        if self._answering is None:
            when = self._clock.time() + self._rng.uniform(0.0, SPREAD)
            self._answering = self._clock.call_at(when, self._answer_calls)

    def _answer_calls(self) -> None:
        self._answering = None
        callers, self._callers = self._callers, {}
        if len(callers) > FEW or self.site is not None:
            self._whole = AS_BEFORE
            self._tell_soon()
            return
        for sender in callers:
            self._tell_to(sender)

    def _tell_to(self, sender: Sender) -> None:
        """Tell one process a word of this one, without the others of its site."""
        self.bus.publish(self._subjects.to(TELL, sender), encode(self._word()))

    def _word(self) -> Word:
        state, own = self._wakefulness, self._peers.gossip.table.own
        news = not state.awake and state.has_news
        return Word(own, self._started, self._every, state.awake, state.registrar, news)

    def _tell(self) -> None:
        self._told_at = now = self._clock.time()
        subjects = self._subjects
        word = self._word()
        if self.site is None:
            self.bus.publish(subjects.word, self._changed(word), subjects.reply)
        elif self.speaks:
            word = replace(word, others=self.site.spoken())
            self.bus.publish(subjects.site, self._changed(word))
        self._plan(now + WORD_EVERY * self._rng.uniform(0.9, 1.1))
        is_untold = self._asked_at < now - GATHERING or now > self._registrar_at + UNTOLD_FOR
        if not self.awake and self.bus.up and is_untold:
            self.attend()
        elif word.news:
            self._asked_at = min(self._asked_at, now)
        for process in tuple(self._processes.values()):
            if not self.awake:
                self._gossip_with(process)  # until there is no more news
            if process.session is not None and now - process.used > UNUSED_FOR:
                self._end_session(process)
            # Who is awake ends them sooner, and who sleeps keeps those that it knows.
            is_used = process.wire is not None or process.session is not None
            if not is_used and now - process.alive > UNUSED_FOR:
                self._end(process, "")

    def _changed(self, word: Word) -> bytes:
        """A word as it is told to all: whole if it is another one than before."""
        told, now = encode(word), self._clock.time()
        if told == self._whole and now < self._whole_at + WHOLE_EVERY:
            return AS_BEFORE
        self._whole, self._whole_at = told, now
        return told

    def _plan(self, when: float) -> None:
        if self._telling is not None:
            self._telling.cancel()
        self._telling_at = when
        self._telling = self._clock.call_at(when, self._tell)

    # Awake and asleep.

    def _choose_lists(self) -> None:
        """Exchange lists of members only while this agent has to know them."""
        self._peers.gossip.compares = self.awake or self.site is not None

    def _wake(self) -> None:
        self._choose_lists()
        for subject in self._subjects.words:
            self.bus.subscribe(subject)
        self._allow_time()
        for process in self._processes.values():
            if process.word is not None:  # of a time when it may have been a registrar
                process.word = replace(process.word, awake=False, registrar=False)
        for attempt in tuple(self._attempts.values()):
            if attempt.timer is None:
                attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)
        self._call(Call(words=True))
        self._clock.call_at(self._clock.time() + COMPARING, self._peers.gossip.compare)
        self._tell_soon()
        self._plan_check()

    def _allow_time(self) -> None:
        """Let all have some time to be heard: for a while this process could not hear them."""
        least = self._clock.time() - SILENCE + WOKEN_SILENCE
        for process in self._processes.values():
            process.heard = max(process.heard, least)

    def _sleep(self) -> None:
        self._choose_lists()
        for subject in self._subjects.words:
            self.bus.unsubscribe(subject)
        self._show_no_more()
        self._registrar_at = self._clock.time()
        for process in self._processes.values():
            self._gossip_with(process)
        self._tell_soon()

    def _check(self) -> None:
        """End what is silent, and ask first what may be."""
        now = self._clock.time()
        if now > self._check_at + STALL:
            self._allow_time()
        if not self.bus.up:  # nobody can be heard, nor appointed
            self._plan_check()
            return
        for process in tuple(self._processes.values()):
            silent = now - process.alive
            if silent >= SILENCE:
                self._end(process, f"no sign of life for {silent:.2g} s")
            elif process.wire is not None and process.via is None and self._is_late(process, now):
                process.wire.send(ALIVE)
        if not self.samples.leased:
            self._show_no_more()
        state = self._wakefulness
        serving = [one for one in self._processes.values() if _is_registrar(one)]
        registrars = [one.sender for one in serving]
        was = state.registrar
        if self.speaks:
            state.review(registrars, needed=self._is_needed(serving))
        else:
            state.watch()
        # One whose call does not come is called for by the next.
        due = WORD_EVERY if state.first(registrars) else 1.5 * WORD_EVERY
        if state.registrar and now >= self._registrar_at + due:
            self._registrar_at = now
            self._call(Call(registrar=True))
        able = self._able(serving) if state.first(registrars) else []
        if state.appoints(registrars, lacking=bool(able)):
            self._appoint(able)
        if not state.awake:
            self._sleep()
            return
        if state.registrar != was:
            self._serves()
        self._plan_check()

    def _serves(self) -> None:
        """Act on the change that this agent is a registrar now, or no longer."""
        self._tell_soon()
        for process in tuple(self._processes.values()):
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

    def _is_needed(self, serving: list[Process]) -> bool:
        """Whether this agent can tell people over a channel for which no other registrar is kept."""
        own = self._peers.gossip.table.own
        before = (one for one in serving if one.sender.instance < own.instance)
        return bool({*own.sends} - _channels(before))

    def _able(self, serving: list[Process]) -> list[Process]:
        """Those that can tell people over a channel that no registrar has."""
        covered = {*self._peers.gossip.table.own.sends} | _channels(serving)
        return [one for one in self._processes.values() if _channels([one]) - covered]

    def _appoint(self, able: list[Process]) -> None:
        """Appoint one of these, or of all."""
        free = [one for one in self._processes.values() if one.wire and not _is_registrar(one)]
        able = [one for one in free if one in able] or free
        if able:
            wire = self._rng.choice(able).wire
            assert wire is not None
            wire.send(SERVE)

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

    def _try(self, attempt: Attempt) -> None:
        attempt.timer = None
        process = self._at.get(attempt.address)
        if process is not None:
            self._open(attempt, process)
        elif not self.bus.up:
            self._refuse(attempt, self._away)
        elif (error := self._said.get(attempt.address)) is not None:
            self._refuse(attempt, error)
        elif not self.awake:
            return  # until it wakes: nobody can be heard
        else:
            if (expected := self._expected(attempt.address)) is not None:
                self._send(expected, ALIVE)
            when, reason = self._clock.time() + SILENCE, f"no sign of life for {SILENCE:.2g} s"
            attempt.timer = self._clock.call_at(when, self._refuse, attempt, reason)

    def _expected(self, address: Address) -> Sender | None:
        """The process that has to be at an address; None if it is told of by the speaker of its site."""
        entry = self._peers.gossip.table.entries.get(str(address))
        return Sender(entry.name, entry.instance) if entry and SITE not in entry.tags else None

    def _open(self, attempt: Attempt, process: Process) -> None:
        self._finish(attempt)
        if attempt.over:
            return
        attempt.over = True
        closed = partial(self._closed, process)
        ask = partial(self._ask, process)
        wire = process.wire = BusWire(ask, process, self._clock, closed)
        process.handler = attempt.handler
        attempt.handler.opened(wire, self._hello(process))
        self.samples.renew()
        self._gossip_with(process)

    def _ask(self, process: Process, request: bytes) -> None:
        via = process.via
        if via is not None and request not in (ALIVE, SERVE):
            self._relay.ask(process, request)
        else:
            self._send((via or process).sender, request)

    def _send(self, to: Sender, request: bytes) -> None:
        """Ask a process; ``unheard`` is told if it is not connected."""
        self.bus.publish(self._subjects.to(ASK, to), request, self._subjects.answer_of(to))

    def _closed(self, process: Process) -> None:
        process.wire = process.handler = None

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

    def _open_session(self, process: Process) -> Session:
        subject = self._subjects.to(ANSWER, process.sender)
        wire = BusWire(
            partial(self._answer, subject),
            process,
            self._clock,
            partial(self._end_session, process),
        )
        session = process.session = self._accept(wire, self._hello(process))
        return session

    def _answer(self, subject: str, answer: bytes) -> None:
        """Answer a process, or say why it gets no answer."""
        if (most := self.bus.max_payload) < len(answer):
            why = f"the answer has {len(answer)} bytes, and NATS takes {most} (max_payload)"
            body = encode({"nodes": {}, "error": why})
            id_ = decode_peer_answer(answer).id
            answer = body if id_ is None else with_id(body, id_)
        self.bus.publish(subject, answer)

    def _end_session(self, process: Process) -> None:
        session, process.session = process.session, None
        if session is not None:
            session.wire.abort()
            session.ended()

    def _hello(self, process: Process) -> Hello:
        address = process.word.member.address if process.word is not None else ""
        return Hello(2, *process.sender, address, limit=self.bus.max_payload, gossips=False)

    def _end(self, process: Process, reason: str) -> None:
        """Forget a process, and all that goes on with it."""
        del self._processes[process.sender]
        address = process.address
        if address is not None and self._at.get(address) is process:
            del self._at[address]
            self.samples.forget(address)
        self._end_session(process)
        if process.via is not None:
            process.via.told = 0  # it may go on to tell of it
        wire, handler = process.wire, process.handler
        if wire is not None and handler is not None:
            wire.open = False
            self._closed(process)
            handler.ended(reason)

    def _complain(self, sender: Sender, what: str) -> None:
        name, instance = sender
        # One limit for all: strangers have as many names as they like.
        log.warning("%s (%s) sent %s", name, instance, what)

    @property
    def _away(self) -> str:
        since = datetime.fromtimestamp(self._away_since, UTC)
        return f"{NO_BACKPLANE} since {since:%H:%M:%S} UTC"


def _replaces(word: Word, there: Process, address: Address) -> bool:
    """Whether the word of another process at an address is taken: the newer one's, but where a node is
    at the address that its name gives it no other node's."""
    name, other = word.member.name, there.sender.name
    if name != other and address.host in (name.lower(), other.lower()):
        return address.host == name.lower()
    assert there.word is not None
    return word.started >= there.word.started


def _is_registrar(process: Process) -> bool:
    return process.word is not None and process.word.registrar


def _channels(processes: Iterable[Process]) -> set[str]:
    """The channels over which any of these can tell people."""
    return {
        channel for one in processes if one.word is not None for channel in one.word.member.sends
    }
