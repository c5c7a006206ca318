"""How views spread: an introduction when a link comes up, then push-pull with one peer at a time.

While all agree, an exchange is two digests. Where digests differ, the asker sends its list and gets
what it lacks. No agent sends, or gives, more than a few lists a second, however many links come up
at once: those that are not served now are served by somebody else, or a second later.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Raw

from nodnod.codec import decode_entries, encode
from nodnod.messages import Join, MemberEntry, PeerAnswer, RequestType
from nodnod_agent.core.link import Link
from nodnod_agent.core.view import MAX_MEMBERS, Refused, View
from nodnod_agent.core.world import Clock, Random, Timer

__all__ = ["JOIN", "Gossip", "Listener"]

JOIN = -1
"""The id of a join request on a link; queries count from 1."""

TICK = 1.0
"""Seconds between exchanges while views change."""

CALM_EVERY = 10
"""Ticks between exchanges while all agree; raising it saves traffic, and delays the last news."""

LISTS_PER_TICK = 8
"""Lists that are given in one tick."""

COMPLAIN_EVERY = 60.0

log = logging.getLogger("nodnod")


class Listener(Protocol):
    """Who acts on what gossip tells."""

    def learnt(self, entry: MemberEntry) -> None:
        """A member is new, or has news: it came, came back, or left."""


class Gossip:
    """One agent's part in the exchange of views."""

    def __init__(
        self,
        view: View,
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
        self._digests: dict[Link, str] = {}
        self._compared: dict[Link, tuple[str, str]] = {}
        """Our digest and the peer's after an exchange of lists that brought us no news."""
        self._unsettled = True
        self._calm_ticks = 0
        self._lists_left = LISTS_PER_TICK
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
        """Introduce ourselves to a peer whose link has come up."""
        self._send(link)

    def link_down(self, link: Link) -> None:
        """Forget what the peer said last."""
        self._digests.pop(link, None)
        self._compared.pop(link, None)

    def leave(self) -> None:
        """Tell every peer that we leave on purpose."""
        self.view.leave()
        for link in self._links():
            self._send(link)

    def answered(self, link: Link, answer: PeerAnswer) -> None:
        """Take the other side's part of an exchange."""
        teller = str(link.address)
        told = [answer.member] if answer.member is not None else []
        if answer.members:
            told += self._read(answer.members, teller)
        before = self.view.digest
        self._merge(told, teller)
        if answer.digest:
            self._digests[link] = answer.digest
            if answer.members is not None and self.view.digest == before:
                self._compared[link] = (self.view.digest, answer.digest)
            self._unsettled = self._unsettled or self._differs(link)

    def asked(self, join: Join, teller: str) -> dict[str, object]:
        """Take a join request; the fields of its answer."""
        told = [join.member]
        if join.members is not None:
            told += self._read(join.members, teller)
        self._merge(told, teller)
        answer: dict[str, object] = {"member": self.view.own, "digest": self.view.digest}
        recall = self.view.recall(join.member)
        if recall is not None:
            answer["members"] = [recall]
            return answer
        if join.digest == self.view.digest:
            return answer
        self._unsettled = True
        if join.members is not None and self._lists_left > 0:
            self._lists_left -= 1
            self.lists += 1
            answer["members"] = self.view.beyond(told)
        return answer

    def _tick(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + TICK, self._tick)
        self._lists_left = LISTS_PER_TICK
        self._calm_ticks += 1
        if not self._unsettled and self._calm_ticks < CALM_EVERY:
            return
        self.view.expire()
        links = self._links()
        if not links:
            return
        self._calm_ticks = 0
        self._unsettled = False
        link = self._rng.choice(links)
        self._send(link, with_list=self._differs(link))

    def _differs(self, link: Link) -> bool:
        """Whether its view is another than ours, for a reason that lists can mend."""
        digests = (self.view.digest, self._digests.get(link, ""))
        return digests[0] != digests[1] and digests != self._compared.get(link)

    def _send(self, link: Link, *, with_list: bool = False) -> None:
        request = {
            "type": int(RequestType.JOIN),
            "id": JOIN,
            "member": self.view.own,
            "digest": self.view.digest,
        }
        if with_list:
            request["members"] = list(self.view.entries.values())
            self.lists += 1
        text = encode(request)
        self.exchanges += 1
        self.sent_bytes += len(text)
        link.tell(text)

    def _read(self, raw: list[Raw], teller: str) -> list[MemberEntry]:
        entries, wrong = decode_entries(raw[:MAX_MEMBERS])
        if wrong or len(raw) > MAX_MEMBERS:
            self._complain(teller, wrong or f"a list of {len(raw)} members")
        return entries

    def _merge(self, entries: list[MemberEntry], teller: str) -> None:
        for entry in entries:
            try:
                news = self.view.merge(entry)
            except Refused as error:
                self._complain(teller, str(error))
                continue
            if news is not None:
                self._unsettled = True
                self._listener.learnt(news)

    def _complain(self, teller: str, reason: str) -> None:
        now = self._clock.time()
        if now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            log.warning("Refused a member that %s told of: %s", teller, reason)
