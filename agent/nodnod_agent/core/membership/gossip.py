"""How views spread: an introduction when a link comes up, then push-pull with one peer at a time.

While all agree, an exchange is two digests. Where digests differ, the asker sends its list, or just
the latest news where the other side lacks no more than these, and gets what it lacks. No agent sends,
or gives, more than a few lists a second, however many links come up at once: those that are not
served now are served by somebody else, or a second later. Nor does it look into more than a few
hundred entries that are new to it: the rest comes again, since digests differ still.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Raw

from nodnod_agent.core.interfaces import Clock, Random, Timer
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.table import MAX_MEMBERS, EntryRefused, MembershipTable, TableFull
from nodnod_client.codec import decode_entries, encode
from nodnod_client.messages import Join, MemberEntry, PeerAnswer, RequestType

JOIN = -1
"""The id of a join request on a link; queries count from 1."""

TICK = 1.0
"""Seconds between exchanges while views change."""

CALM_EVERY = 10
"""Ticks between exchanges while all agree; raising it saves traffic, and delays the last news."""

SPREAD = 2
"""Ticks in which news are passed on, besides one for each doubling of those that know them."""

NEWS_PER_TICK = 256
"""Entries looked into, of lists that others send; each costs some 50 us, or 0.1 ms with its log line.

A member's own word of itself does not count, so that no flood of made-up ones keeps it out.
"""

LISTS_PER_TICK = 8
"""Lists that are given in one tick."""

COMPARED_FOR = 60.0
"""Seconds until lists that brought no news are exchanged again: what was refused for a clock that
was wrong may be right by then."""

COMPLAIN_EVERY = 60.0

log = logging.getLogger("nodnod")


class Listener(Protocol):
    """Who acts on what gossip tells."""

    def learnt(self, entry: MemberEntry) -> None:
        """A member is new, or has news: it came, came back, or left."""

    def room(self) -> bool:
        """Give up a member that nobody has ever met here, for one that speaks for itself."""


class Gossip:
    """One agent's part in the exchange of views."""

    def __init__(
        self,
        view: MembershipTable,
        listener: Listener,
        links: Callable[[], Sequence[Link]],
        *,
        clock: Clock,
        rng: Random,
    ) -> None:
        self.view = view
        self.exchanges = 0
        """Requests sent; each has an answer."""
        self.sent_bytes = 0
        self.lists = 0
        """Lists of members sent, and given in answers."""
        self._listener = listener
        self._links = links
        self._clock = clock
        self._rng = rng
        self._awaited: Counter[Link] = Counter()
        """How many answers each owes; what comes besides may be a goodbye, and nothing else."""
        self._digests: dict[Link, str] = {}
        self._compared: dict[Link, tuple[str, str, float]] = {}
        """Our digest and the peer's after an exchange of lists that brought us no news, and until
        when to leave it at that."""
        self._busy = 1
        """Ticks for which there is still something to tell or to ask."""
        self._calm_ticks = 0
        self._probed: Link | None = None
        """Whom we have asked without a list, to send one if its digest differs."""
        self._lists_left = LISTS_PER_TICK
        self._news_left = NEWS_PER_TICK
        self._complained = -COMPLAIN_EVERY
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to tick, at a random phase."""
        when = self._clock.time() + self._rng.uniform(0, TICK)
        self._timer = self._clock.call_at(when, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def link_up(self, link: Link) -> None:
        """Introduce ourselves to a peer whose link has come up, unless it knows us.

        It does where its view is ours: so the links of a large cluster that come up one by one,
        minutes after all know all, cost nothing here.
        """
        digest = link.hello.digest if link.hello is not None else ""
        if digest == self.view.digest:
            self._digests[link] = digest
        else:
            self._send(link)

    def link_down(self, link: Link) -> None:
        """Forget what the peer said last."""
        self._awaited.pop(link, None)
        self._digests.pop(link, None)
        self._compared.pop(link, None)
        if link is self._probed:
            self._probed = None

    def leave(self) -> None:
        """Tell every peer that we leave on purpose."""
        self.view.leave()
        for link in self._links():
            self._send(link)

    def moved(self, address: str, instance: str) -> None:
        """Tell that a process is at this address no more: see View."""
        if self.view.moved(address, instance):
            self._spread()

    def answered(self, link: Link, answer: PeerAnswer) -> None:
        """Take the other side's part of an exchange."""
        teller = str(link.address)
        probed = link is self._probed
        if probed:
            self._probed = None
        if not self._awaited[link]:
            if answer.member is not None and answer.member.state == "left":
                self._take(answer.member, teller)
            return
        self._awaited[link] -= 1
        before = self.view.digest
        if answer.member is not None:
            self._take(answer.member, teller, own_word=True)
        if answer.members:
            self._merge(self._read(answer.members, teller), teller, NEWS_PER_TICK)
        if answer.digest:
            self._digests[link] = answer.digest
            if answer.members is not None and self.view.digest == before:
                until = self._clock.time() + COMPARED_FOR
                self._compared[link] = (self.view.digest, answer.digest, until)
            if self._differs(link):
                self._busy = max(self._busy, 1)
                if probed:
                    self._send(link, with_list=True)

    def asked(self, join: Join, teller: str) -> dict[str, object]:
        """Take a join request; the fields of its answer."""
        told = [join.member]
        self._take(join.member, teller, own_word=join.member.address == teller)
        if join.members is not None:
            told += self._read(join.members, teller)
            self._news_left -= self._merge(told, teller, self._news_left)
        answer: dict[str, object] = {"member": self.view.own, "digest": self.view.digest}
        recall = self.view.recall(join.member)
        if recall is not None:
            answer["members"] = [recall]
            return answer
        if join.digest == self.view.digest:
            return answer
        self._busy = max(self._busy, 1)
        if join.members is not None and self._lists_left > 0:
            self._lists_left -= 1
            self.lists += 1
            answer["members"] = self.view.beyond(told)
        return answer

    def _tick(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + TICK, self._tick)
        self._lists_left = LISTS_PER_TICK
        self._news_left = NEWS_PER_TICK
        self._calm_ticks += 1
        if not self._busy and self._calm_ticks < CALM_EVERY:
            return
        self.view.expire()
        links = self._links()
        if not links:
            return
        self._calm_ticks = 0
        self._busy = max(0, self._busy - 1)
        link = self._rng.choice(links)
        if self._differs(link) and self.view.since(self._digests[link]) is not None:
            self._send(link, with_list=True)
        else:  # what it said last is long ago: no use in a list before we know that it differs
            self._probed = link
            self._send(link)

    def _differs(self, link: Link) -> bool:
        """Whether its view is another than ours, for a reason that lists can mend."""
        ours, theirs = self.view.digest, self._digests.get(link, "")
        if not theirs:
            return False
        *digests, until = self._compared.get(link, ("", "", 0.0))
        return ours != theirs and (digests != [ours, theirs] or self._clock.time() >= until)

    def _send(self, link: Link, *, with_list: bool = False) -> None:
        request = {
            "type": int(RequestType.JOIN),
            "id": JOIN,
            "member": self.view.own,
            "digest": self.view.digest,
        }
        if with_list:
            news = self.view.since(self._digests.get(link, ""))
            request["members"] = list(self.view.entries.values()) if news is None else news
            self.lists += 1
        text = encode(request)
        self.exchanges += 1
        self._awaited[link] += 1
        self.sent_bytes += len(text)
        link.tell(text)

    def _read(self, raw: list[Raw], teller: str) -> list[MemberEntry]:
        entries, wrong = decode_entries(raw[:MAX_MEMBERS])
        if wrong or len(raw) > MAX_MEMBERS:
            self._complain(teller, wrong or f"a list of {len(raw)} members")
        return entries

    def _merge(self, entries: list[MemberEntry], teller: str, most: int) -> int:
        """Take in what is new of a list, up to so many entries; tells how many they were."""
        looked = 0
        # From anywhere in it: what is refused each time must not hide what comes behind it.
        first = int(self._rng.random() * len(entries))
        for entry in entries[first:] + entries[:first]:
            if self.view.knows(entry):
                continue
            if looked == most:
                self._busy = max(self._busy, 1)
                break
            looked += 1
            self._take(entry, teller)
        return looked

    def _take(self, entry: MemberEntry, teller: str, *, own_word: bool = False) -> None:
        try:
            try:
                news = self.view.merge(entry)
            except TableFull:
                if not own_word or not self._listener.room():
                    raise
                news = self.view.merge(entry)
        except EntryRefused as error:
            self._complain(teller, str(error))
            return
        if news is not None:
            self._spread()
            self._listener.learnt(news)

    def _spread(self) -> None:
        # Who tells only one other, and then agrees with him, passes news on like a baton: they get
        # nowhere once that one knows them already.
        self._busy = len(self._links()).bit_length() + SPREAD

    def _complain(self, teller: str, reason: str) -> None:
        now = self._clock.time()
        if now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            log.warning("Refused a member that %s told of: %s", teller, reason)
