"""How membership tables spread: push-pull exchanges with one peer at a time.

While all tables agree, an exchange is two digests. Where digests differ, the asker sends its list,
or just the latest news if the peer lacks only that, and gets what it lacks. What an agent does not
send or examine now, because of the limits below, comes again: the digests still differ.

The same messages carry other logs, see ``core/exchange``, unless they carry long lists.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Raw

from nodnod_agent.core.events.log import Record
from nodnod_agent.core.exchange import Exchange, Fields
from nodnod_agent.core.fitting import ENVELOPE
from nodnod_agent.core.interfaces import Clock, Random, Timer
from nodnod_agent.core.membership.doubts import Doubts
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.peer_clocks import PeerClocks
from nodnod_agent.core.membership.table import (
    MAX_ENTRY,
    MAX_EXTRAS,
    EntryRefused,
    MembershipTable,
    TableFull,
    has_extras,
)
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_client.codec import decode_entries, encode
from nodnod_client.messages import MAX_MESSAGE, Join, MemberEntry, PeerAnswer, RequestType

JOIN = -1
"""The id of a join request on a link; queries count from 1."""

EXCHANGE_INTERVAL = 1.0
"""Seconds between exchanges while tables change."""

CALM_EVERY = 10
"""Ticks between exchanges while all agree; raising it saves traffic, and delays the last news."""

SPREAD = 2
"""Ticks for which news is passed on, besides one for each doubling of the agents that know it."""

NEWS_PER_TICK = 256
"""New entries of received lists that are examined; each costs some 50 us, with a log line 0.1 ms.

A member's own entry does not count, so that no flood of made-up entries keeps it out.
"""

LISTS_PER_TICK = 8
"""Lists that are sent in answers in one tick."""

LOGS_ROOM = 14 * 1024
"""Bytes of logs in a request: longer requests are limited among all agents."""

SHORT_LIST = 32
"""Members beside which a message has room for logs: they must not wait while members come and go."""

COMPARED_FOR = 60.0
"""Seconds until lists that brought no news are exchanged again: an entry that was refused because
of a wrong clock may be accepted by then."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about refused entries."""

TOLD_AT_ONCE = 8
"""Peers that are told of an own event at once; the others hear of it from them."""

log = logging.getLogger("nodnod")


class Gossip:
    """One agent's part in the exchange of tables.

    The caller takes what it has learned after each call, see ``learned``.
    """

    def __init__(
        self,
        table: MembershipTable,
        make_room: Callable[[], bool],
        vouches: Callable[[str], bool],
        events: Exchange[Link],
        *,
        clock: Clock,
        rng: Random,
    ) -> None:
        """``make_room`` gives up a member that never answered, if there is one. ``vouches`` tells
        whether this agent itself has reached a member at an address, and lists it.
        """
        self.table = table
        self.events = events
        self.logs = [events]
        """All logs that are exchanged."""
        self.doubts = Doubts(clock)
        self.clocks: PeerClocks[Link] = PeerClocks(clock, table.wall)
        self.compares = True
        """Whether it wants to know all members, and so exchanges lists; else only the logs."""
        self.exchanges = 0
        """Requests sent; each has an answer."""
        self.sent_bytes = 0
        self.lists = 0
        """Lists of members sent, in requests and in answers."""
        self._make_room = make_room
        self._vouches = vouches
        self._clock = clock
        self._rng = rng
        self._learned: list[MemberEntry] = []
        self._links: list[Link] = []
        """The links to version-2 peers, in the order in which they came up."""
        self._unanswered: Counter[Link] = Counter()
        """Requests under way. Of an answer to none, only a goodbye is believed."""
        self._digests: dict[Link, str] = {}
        self._compared: dict[Link, tuple[str, str, float]] = {}
        """Our digest and the peer's after an exchange of lists that brought us no news, and until
        when not to repeat it."""
        self._busy = 1
        """Ticks for which there is still something to send or to request."""
        self._calm_ticks = 0
        self._probed: Link | None = None
        """The link of the last request without a list; if the digests differ, a list follows."""
        self._list_limit = RateLimit(LISTS_PER_TICK, per=EXCHANGE_INTERVAL)
        self._news_limit = RateLimit(NEWS_PER_TICK, per=EXCHANGE_INTERVAL)
        self._complaints = RateLimit(1, per=COMPLAIN_EVERY)
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to tick, at a random phase."""
        when = self._clock.time() + self._rng.uniform(0, EXCHANGE_INTERVAL)
        self._timer = self._clock.call_at(when, self._tick)

    def stop(self) -> None:
        """Stop the exchanges."""
        if self._timer is not None:
            self._timer.cancel()

    def learned(self) -> list[MemberEntry]:
        """The entries that are new, or have changed, since the last call."""
        learned, self._learned = self._learned, []
        return learned

    def link_up(self, link: Link) -> None:
        """Introduce ourselves to a peer whose link has come up, unless it knows us already.

        It does if its table equals ours, but for tags, channels and origins of ours. So when the links of a
        large cluster come up one by one, after all agents know each other, they cost nothing here.

        An agent that knows nobody else yet asks for the list at once: its only first address may leave
        before the next tick, and would be the only one that knows of it.
        """
        self._links.append(link)
        own = self.table.own
        digest = link.hello.digest if link.hello is not None else ""
        if digest == self.table.digest and not has_extras(own):
            self._digests[link] = digest
        else:
            self._send(link, with_list=self.compares and not self.table.entries)

    def has(self, link: Link) -> bool:
        """Whether news are exchanged over a link."""
        return link in self._links

    def link_down(self, link: Link) -> None:
        """Forget a link and what its peer said last."""
        if link in self._links:
            self._links.remove(link)
        self._unanswered.pop(link, None)
        self._digests.pop(link, None)
        self._compared.pop(link, None)
        self.clocks.forget(link)
        for one in self.logs:
            one.forget(link)
        if link is self._probed:
            self._probed = None

    def heard(self, entry: MemberEntry) -> None:
        """Take a member's own word of itself."""
        self._take(entry, entry.address, own_word=True)

    def revise(self, **extras: Any) -> None:
        """Change our own entry, and tell every peer: another may pass it on without; see the table."""
        self.table.revise(**extras)
        self._spread()
        for link in self._links:
            self._send(link)

    def leave(self, farewell: Record) -> None:
        """Tell every peer that this agent leaves on purpose, with an event that says so."""
        self.table.leave()
        fields = self.events.telling([farewell])
        for link in self._links:
            self._send(link, fields=fields)

    def tell(self, pieces: Iterable[Fields], instances: Iterable[str]) -> None:
        """Spread news of a log, and send pieces of it to some processes at once."""
        by_instance = {_instance(link): link for link in self._links}
        links = [by_instance[one] for one in instances if one in by_instance]
        for fields in pieces if links else ():
            for link in links:
                self._send(link, fields=fields)
        self._spread()

    def publish(self, records: Iterable[Record]) -> None:
        """Spread own events, first of all to the agents that would be the next to write them."""
        fields = self.events.telling(records)
        for link in sorted(self._listeners(), key=_instance)[:TOLD_AT_ONCE]:
            self._send(link, fields=fields)
        self._spread()

    def rank(self, counts: Callable[[Link], bool] = lambda _: True) -> int:
        """How many of the peers that know events come before this agent, of those that count."""
        own = self.table.own.instance
        return sum(_instance(link) < own and counts(link) for link in self._listeners())

    def _listeners(self) -> list[Link]:
        return [link for link in self._links if self.events.knows(link)]

    def compare(self) -> None:
        """Exchange lists of members with a peer at once, unless the tables are known to be equal."""
        if self._links and self.compares:
            link = self._rng.choice(self._links)
            if self._digests.get(link) != self.table.digest:
                self._send(link, with_list=True)

    def moved(self, address: str, instance: str) -> None:
        """Spread that a process is not at this address any more; see MembershipTable."""
        if self.table.moved(address, instance):
            self._spread()

    def answered(self, link: Link, answer: PeerAnswer) -> None:
        """Take the answer to a join request, or an unrequested goodbye."""
        teller = str(link.address)
        probed = link is self._probed
        if probed:
            self._probed = None
        if not self._unanswered[link]:
            if self.events.told(link, answer, teller):
                self._spread()
            if answer.member is not None and answer.member.state == "left":
                self._take(answer.member, teller)
            return
        self._unanswered[link] -= 1
        if answer.time is not None:
            self.clocks.told(link, answer.time)
        self.doubts.vouched(answer.met)
        self.doubts.denied(answer.gone)
        before = self.table.digest
        if answer.member is not None:
            own_word = answer.member.instance == _instance(link)
            self._take(answer.member, teller, own_word=own_word)
        if answer.members:
            self._merge(self._read(answer.members, teller), teller, NEWS_PER_TICK)
        if answer.digest:
            self._digests[link] = answer.digest
            if answer.members is not None and self.table.digest == before:
                until = self._clock.time() + COMPARED_FOR
                self._compared[link] = (self.table.digest, answer.digest, until)
            if self._differs(link):
                self._busy = max(self._busy, 1)
                if probed:
                    self._send(link, with_list=True)
        for one in self.logs:
            follow_up, news = one.answered(link, answer, teller)
            if news:
                self._spread()
            if follow_up is not None:
                self._send(link, fields=follow_up)
            if one.differs(link):
                self._busy = max(self._busy, 1)

    def asked(self, join: Join, teller: str, limit: int = MAX_MESSAGE) -> dict[str, object]:
        """Take a join request from the agent at ``teller``; returns the fields of its answer.

        ``limit`` is the size in bytes of the largest message that the agent accepts.
        """
        there = self.table.entries.get(join.member.address)
        answer = self._answer(join, teller, limit)
        room = _room_beside(answer.get("members"), limit - ENVELOPE - MAX_EXTRAS)
        fields: Fields = {}
        for one in self.logs:
            more, news = one.asked(join, teller, room)
            room -= len(encode(more))
            if room >= 0:
                fields |= more
            if news:
                self._spread()
        if fields and there is not None and there.instance != join.member.instance:
            fields["before"] = there.name
        return answer | fields

    def _answer(self, join: Join, teller: str, limit: int) -> dict[str, Any]:
        """Take the members in a join request; returns the fields of the answer about members."""
        sent = [join.member]
        self._take(join.member, teller, own_word=join.member.address == teller)
        if join.members is not None:
            sent += self._read(join.members, teller)
            now = self._clock.time()
            examined = self._merge(sent, teller, self._news_limit.left(now))
            self._news_limit.take(now, examined)
        answer: dict[str, Any] = {
            "member": self.table.own,
            "digest": self.table.digest,
            "time": round(self.table.wall(), 3),
        }
        unmet = join.unmet if join.members is None else ()  # beside a list there may be no room
        if met := [address for address in unmet if self._vouches(address)]:
            answer["met"] = met
        if gone := [address for address in unmet if self.table.gave_up(address)]:
            answer["gone"] = gone
        recall = self.table.recall(join.member)
        if recall is not None:
            answer["members"] = [recall]
            return answer
        if join.digest == self.table.digest:
            return answer
        self._busy = max(self._busy, 1)
        if join.members is not None and self._list_limit.take(self._clock.time()):
            self.lists += 1
            answer["members"] = self._within(self.table.beyond(sent), limit)
        return answer

    def _tick(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + EXCHANGE_INTERVAL, self._tick)
        self._calm_ticks += 1
        if not self._busy and self._calm_ticks < CALM_EVERY:
            return
        self.table.expire()
        if not self._links:
            return
        self._calm_ticks = 0
        self._busy = max(0, self._busy - 1)
        link = self._rng.choice(self._links)
        if self._differs(link) and self.table.since(self._digests[link]) is not None:
            self._send(link, with_list=True)
        else:  # its digest is old: a list is useless until we know that the tables still differ
            self._probed = link
            self._send(link)

    def _differs(self, link: Link) -> bool:
        """Whether the peer's table differs from ours for a reason that lists can resolve."""
        ours, theirs = self.table.digest, self._digests.get(link, "")
        if not (theirs and self.compares):
            return False
        *digests, until = self._compared.get(link, ("", "", 0.0))
        return ours != theirs and (digests != [ours, theirs] or self._clock.time() >= until)

    def _send(self, link: Link, *, with_list: bool = False, fields: Fields | None = None) -> None:
        request: dict[str, Any] = {
            "type": int(RequestType.JOIN),
            "id": JOIN,
            "member": self.table.own,
            "digest": self.table.digest,
        }
        unmet = [] if with_list else self.doubts.question()
        if unmet:
            request["unmet"] = unmet
        if with_list:
            news = self.table.since(self._digests.get(link, ""))
            entries = list(self.table.entries.values()) if news is None else news
            limit = link.hello.limit if link.hello is not None else MAX_MESSAGE
            request["members"] = self._within(entries, limit)
            self.lists += 1
        if fields is None:
            room = LOGS_ROOM - len(encode(unmet))
            fields, room = {}, _room_beside(request.get("members"), room)
            for one in self.logs:
                if room > 0:
                    more = one.probe(link, spreading=self._busy > 0, room=room)
                    room -= len(encode(more))
                    fields |= more
        text = encode(request | fields)
        self.exchanges += 1
        self._unanswered[link] += 1
        self.sent_bytes += len(text)
        link.send(text)

    def _within(self, entries: list[MemberEntry], limit: int) -> list[MemberEntry]:
        """As many entries as there is room for in a message, from a random place in the list."""
        room = limit - ENVELOPE - MAX_EXTRAS  # our own entry is in the message too
        if len(entries) * (MAX_ENTRY + MAX_EXTRAS) <= room:
            return entries
        first = int(self._rng.random() * len(entries))
        kept = []
        for entry in entries[first:] + entries[:first]:
            room -= len(encode(entry)) + 1
            if room < 0:
                break
            kept.append(entry)
        return kept

    def _read(self, raw: list[Raw], teller: str) -> list[MemberEntry]:
        entries, wrong = decode_entries(raw[: self.table.most])
        if wrong or len(raw) > self.table.most:
            self._complain(teller, wrong or f"a list of {len(raw)} members")
        return entries

    def _merge(self, entries: list[MemberEntry], teller: str, most: int) -> int:
        """Take at most ``most`` new entries of a list; returns how many were examined."""
        examined = 0
        # From a random place: entries that are refused each time must not hide those behind them.
        first = int(self._rng.random() * len(entries))
        for entry in entries[first:] + entries[:first]:
            if self.table.knows(entry):
                continue
            if examined == most:
                self._busy = max(self._busy, 1)
                break
            examined += 1
            self._take(entry, teller)
        return examined

    def _take(self, entry: MemberEntry, teller: str, *, own_word: bool = False) -> None:
        before = self.table.digest
        try:
            try:
                news = self.table.merge(entry, own_word=own_word)
            except TableFull:
                if not own_word or not self._make_room():
                    raise
                news = self.table.merge(entry, own_word=own_word)
        except EntryRefused as error:
            self._complain(teller, str(error))
            return
        if news is not None:
            if (
                self.table.digest != before
            ):  # else only its tags are news, which lists do not resolve
                self._spread()
            self._learned.append(news)

    def _spread(self) -> None:
        # An agent that told only one peer would agree with it and stop: news would move like a baton,
        # and end at the first agent that knows it already.
        self._busy = len(self._links).bit_length() + SPREAD

    def _complain(self, teller: str, reason: str) -> None:
        if self._complaints.take(self._clock.time()):
            log.warning("Refused a member that %s told of: %s", teller, reason)


def _room_beside(members: list[MemberEntry] | None, room: int) -> int:
    """Bytes for logs in a message with these members; none beside a long list."""
    if not members:
        return room
    return room - len(encode(members)) if len(members) <= SHORT_LIST else 0


def _instance(link: Link) -> str:
    return link.hello.instance if link.hello is not None else ""
