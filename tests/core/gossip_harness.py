"""Agents that only gossip, over links that deliver at once."""

import json
import random
from typing import Any, cast

from nodnod_agent.core.events.log import EventLog
from nodnod_agent.core.events.replica import EventReplica
from nodnod_agent.core.exchange import Exchange
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.gossip import Gossip
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.address import parse_address
from nodnod_client.codec import decode_join, decode_peer_answer, decode_request, encode
from nodnod_client.messages import MAX_MESSAGE, MemberEntry
from simulation.clock import FakeClock

NOW = 1_700_000_000.0


def entry(number: int, incarnation: int = 1, **more: object) -> MemberEntry:
    fields = {
        "name": f"n{number}",
        "address": f"10.1.{number >> 8}.{number & 255}:7070",
        "instance": f"i{number}",
    }
    return MemberEntry(incarnation=incarnation, **(fields | more))  # type: ignore[arg-type]


class GossipAgent:
    """One agent's gossip, and what it has learned."""

    def __init__(self, number: int, clock: FakeClock) -> None:
        self._learned: list[MemberEntry] = []
        self.links: list[FakeLink] = []
        self.limit = MAX_MESSAGE
        """Bytes of the largest message that it accepts."""
        self.rooms = 0
        """How many members it can give up."""
        self.table = MembershipTable(entry(number, 1000), lambda: NOW + clock.now)
        self.events = EventLog(f"i{number}", clock, lambda: NOW + clock.now)
        exchange: Exchange[Link] = Exchange(EventReplica(self.events), clock)
        rng = random.Random(number)
        self.gossip = Gossip(
            self.table, self._make_room, lambda _: False, exchange, clock=clock, rng=rng
        )

    @property
    def learned(self) -> list[MemberEntry]:
        """All that it has learned."""
        self._learned += self.gossip.learned()
        return self._learned

    def _make_room(self) -> bool:
        self.rooms -= 1
        if self.rooms >= 0:
            self.table.forget(next(iter(self.table.entries)))
        return self.rooms >= 0

    def knows(self, *entries: MemberEntry) -> None:
        """Know these from the start, so that they are no news."""
        for one in entries:
            self.table.merge(one)

    def connect(self, other: "GossipAgent") -> "FakeLink":
        """Link it to another, as if it had dialed."""
        wire = FakeLink(self, other)
        self.links.append(wire)
        self.gossip.link_up(cast(Link, wire))
        return wire

    def ask(
        self,
        *members: MemberEntry,
        teller: MemberEntry,
        caller: str = "a caller",
        **fields: object,
    ) -> dict[str, Any]:
        """Send it a join request, from the agent at the address ``caller``; returns its answer."""
        request = {"type": 4, "member": teller, "digest": "0", **fields}
        if members:
            request["members"] = members
        text = encode(request)
        answer = self.gossip.asked(decode_join(text, decode_request(text)), caller)
        return cast(dict[str, Any], json.loads(encode(answer)))


class FakeLink:
    """A link between two agents that delivers at once, and keeps what went each way."""

    def __init__(self, side: GossipAgent, other: GossipAgent) -> None:
        self.address = parse_address(other.table.own.address)
        own = other.table.own
        self.hello = Hello(2, own.name, own.instance, digest=other.table.digest, limit=other.limit)
        self.requests: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self._side, self._other = side, other

    def send(self, text: bytes) -> None:
        assert len(text) <= self._other.limit
        self.requests.append(json.loads(text))
        join = decode_join(text, decode_request(text))
        side = self._side
        answer = encode(self._other.gossip.asked(join, side.table.own.address, side.limit))
        assert len(answer) <= side.limit
        self.answers.append(json.loads(answer))
        self._side.gossip.answered(cast(Link, self), decode_peer_answer(answer))
