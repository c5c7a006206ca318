"""One client: its requests, the order of its answers, and how much of it is borne."""

from collections.abc import Callable
from typing import Protocol

from nodnod_agent.core.counters import Counters
from nodnod_agent.core.encoding import AnswerEncoder, with_id
from nodnod_agent.core.interfaces import Clock, Wire
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.query import Waiter
from nodnod_agent.core.requests.request_cache import ParsedRequest, read
from nodnod_agent.core.requests.streams import Streams, Subscription, Terms
from nodnod_agent.core.stats.local import LocalNode
from nodnod_client.codec import decode_join, encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import Join, Request, RequestType

DEFAULT_TIMEOUT = 2.0
MAX_BAD_IN_A_ROW = 10
MAX_JOINS = 20
"""Join requests that one connection may send in a second; merging lists costs CPU."""
LONG_JOIN = 16 * 1024
"""Bytes from which on a join request counts as ten, and is one of MAX_LONG_JOINS."""
MAX_LONG_JOINS = 8
"""Long join requests that are read in a second, of all agents: one of 4 MiB takes some 20 ms."""

FEW_IN_FLIGHT = 4
"""Requests under way up to which a client is answered before others."""

POLICY_VIOLATION = 1008

STREAM_STALL_LIMIT = 60.0
"""Seconds in which one that only listens to streams must take some of them, at least: it skips
ticks, so its output cannot grow."""


class Services(Protocol):
    """What a session needs of the agent that it is a session of."""

    clock: Clock
    counters: Counters
    limits: Limits
    long_joins: RateLimit
    answers: AnswerEncoder
    local: LocalNode
    streams: Streams

    def ask(self, question: Question, waiter: Waiter) -> None:
        """Settle ``waiter`` with the answer, by its deadline."""

    def left(self, session: "Session") -> None:
        """A session's connection is gone."""

    def reaches(self, instance: str) -> bool:
        """Whether a link leads to this process."""

    def members_body(self) -> bytes:
        """The answer to type 3."""

    def join_body(self, join: Join, teller: str) -> bytes:
        """The answer to type 4, asked by the agent at ``teller``."""


class Session:
    """Requests in, answers out; those without an id in the order in which they came."""

    __slots__ = (
        "_agent",
        "_bad",
        "_instance",
        "_joins",
        "_most_in_flight",
        "_open",
        "_ordered",
        "_streams",
        "_teller",
        "_wire",
        "in_flight",
    )

    def __init__(
        self, agent: Services, wire: Wire, teller: str | None = None, instance: str = ""
    ) -> None:
        """``teller`` is where the agent on the other end can be dialled; ``None``: no agent."""
        self._agent = agent
        self._most_in_flight = agent.limits.in_flight
        self._wire = wire
        self._open = True
        self._teller = teller
        self._instance = instance
        self._joins = RateLimit(MAX_JOINS) if teller is not None else None
        self._bad = 0
        self._ordered: list[_Slot] = []
        self._streams: dict[int | str, Subscription] | None = None
        self.in_flight: set[_Slot] = set()

    @property
    def stall_limit(self) -> float:
        """Seconds of output unread after which the connection is to be cut."""
        unread_for = self._agent.limits.unread_for
        listens = self._streams and not self.in_flight
        return max(STREAM_STALL_LIMIT, unread_for) if listens else unread_for

    @property
    def from_agent(self) -> bool:
        """Whether another agent is on the other end."""
        return self._teller is not None

    @property
    def known(self) -> bool:
        """Whether it is an agent, and one to which we have a link: anybody may say that he is one."""
        return self._instance != "" and self._agent.reaches(self._instance)

    @property
    def full(self) -> bool:
        """Whether so many requests are unanswered that the next had better wait unread."""
        return len(self.in_flight) >= self._most_in_flight

    def received(self, text: bytes) -> None:
        """Take one request."""
        if not self._open:
            return
        try:
            asked = read(text)
            request = asked.request
            kind = request.type or 0
            handler = _HANDLERS.get(kind)
            if handler is None:
                types = ", ".join(str(int(known)) for known in sorted(_HANDLERS))
                message = f"`type` must be one of {types}, got {str(request.type)[:40]}"
                raise RequestError("unknown_type", message, request.id)
            self._agent.counters.requests[kind] += 1
            handler(self, asked)
        except RequestError as error:
            self._refuse(error)
        else:
            self._bad = 0

    def ended(self) -> None:
        """The connection is gone; nothing more is sent."""
        self._agent.left(self)
        self._open = False
        self._end_streams()
        self._ordered.clear()
        self.in_flight.clear()

    def shut(self, code: int, reason: str) -> None:
        """Answer what is in flight with ``shutting_down``, then say goodbye."""
        if not self._open:
            return
        self._end_streams()
        error = RequestError("shutting_down", "this agent is shutting down")
        body = self._agent.answers.refusal(error)
        for slot in tuple(self.in_flight):
            self.settle(slot, body)
        self._open = False
        self._wire.close(code, reason)

    def settle(self, slot: "_Slot", body: bytes) -> None:
        """Send an answer, as soon as those that must come before it are sent."""
        if slot not in self.in_flight or slot.body is not None:  # gone, or settled before
            return
        if slot.id is not None:
            self.in_flight.discard(slot)
            self._wire.send(with_id(body, slot.id))
            return
        # In flight until it is sent: what waits for its turn takes memory too.
        slot.body = body
        ordered = self._ordered
        while ordered and (ready := ordered[0].body) is not None:
            self.in_flight.discard(ordered.pop(0))
            self._wire.send(ready)

    def _answer(self, request_id: int | str | None, body: bytes) -> None:
        """Send what is known at once: in its order where there is no id."""
        if request_id is not None:
            self._wire.send(with_id(body, request_id))
        elif not self._ordered:
            self._wire.send(body)
        else:
            slot = _Slot(self, None, 0.0, 0.0)
            self._ordered.append(slot)
            self.in_flight.add(slot)
            self.settle(slot, body)

    def _refuse(self, error: RequestError) -> None:
        self._answer(error.id, self._agent.answers.refusal(error))
        self._agent.counters.refused(error.code)
        self._bad += 1
        if self._bad >= MAX_BAD_IN_A_ROW and self._open:
            self._open = False
            self._agent.counters.connections_cut += 1
            self._wire.close(POLICY_VIOLATION, f"{MAX_BAD_IN_A_ROW} bad requests in a row")

    def _stat(self, asked: ParsedRequest) -> None:
        request, question, _ = asked
        if request.every is not None:
            self._stream(request, question, request.every)
        elif question.here and self._agent.local.ready(question):
            self._agent.counters.known_at_once += 1
            self._answer(request.id, self._agent.answers.alone(self._agent.local.entry(question)))
        else:
            timeout = DEFAULT_TIMEOUT if request.timeout is None else request.timeout
            slot = _Slot(self, request.id, timeout, self._agent.clock.time() + timeout)
            if request.id is None:
                self._ordered.append(slot)
            self.in_flight.add(slot)
            self._agent.ask(question, slot)

    def _stream(self, request: Request, question: Question, every: float) -> None:
        if request.id is None:
            raise RequestError("bad_request", "`every` needs an `id`, to know the stream by")
        streams = self._streams = self._streams or {}
        if request.id in streams:
            message = f"a stream with `id` {request.id!r} runs already"
            raise RequestError("duplicate_id", message, request.id)
        if len(streams) >= (most := self._agent.limits.streams):
            message = f"{most} streams run on this connection already"
            raise RequestError("too_many_streams", message, request.id)
        # A tick that waits for a frozen peer should still come before the next one.
        timeout = min(DEFAULT_TIMEOUT, every) if request.timeout is None else request.timeout
        terms = Terms(question, every, timeout)
        streams[request.id] = self._agent.streams.open(terms, self._wire, encode(request.id))

    def _stop(self, asked: ParsedRequest) -> None:
        request = asked.request
        if request.id is None:
            raise RequestError("bad_request", "`type` 2 needs the `id` of the stream to stop")
        subscription = self._streams.pop(request.id, None) if self._streams else None
        if subscription is None:
            message = f"no stream with `id` {request.id!r} runs"
            raise RequestError("no_such_stream", message, request.id)
        subscription.end()
        self._answer(request.id, self._agent.answers.done())

    def _members(self, asked: ParsedRequest) -> None:
        self._answer(asked.request.id, self._agent.members_body())

    def _join(self, asked: ParsedRequest) -> None:
        request, _, text = asked
        if self._teller is None or self._joins is None:
            raise RequestError("forbidden", "`type` 4 is for agents", request.id)
        now, long = self._agent.clock.time(), len(text) > LONG_JOIN
        if not self._joins.take(now, 10 if long else 1):
            message = f"more than {MAX_JOINS} requests of `type` 4 in a second"
            raise RequestError("forbidden", message, request.id)
        if long and not self._agent.long_joins.take(now):
            message = (
                f"more than {MAX_LONG_JOINS} long requests of `type` 4 in a second, of all agents"
            )
            raise RequestError("forbidden", message, request.id)
        body = self._agent.join_body(decode_join(text, request), self._teller)
        self._answer(request.id, body)

    def _end_streams(self) -> None:
        streams, self._streams = self._streams, None
        for subscription in (streams or {}).values():
            subscription.end()


class _Slot:
    """One request's place among the answers."""

    __slots__ = ("body", "deadline", "id", "session", "timeout")

    def __init__(
        self,
        session: Session,
        id: int | str | None,  # noqa: A002
        timeout: float,
        deadline: float,
    ) -> None:
        self.session = session
        self.id = id
        self.timeout = timeout
        self.deadline = deadline
        self.body: bytes | None = None

    @property
    def greedy(self) -> bool:
        """See Settled."""
        return len(self.session.in_flight) > FEW_IN_FLIGHT

    def settle(self, body: bytes) -> None:
        """See Waiter."""
        self.session.settle(self, body)


_HANDLERS: dict[int, Callable[[Session, ParsedRequest], None]] = {
    RequestType.STAT: Session._stat,  # noqa: SLF001
    RequestType.STAT_ALL: Session._stat,  # noqa: SLF001
    RequestType.STOP: Session._stop,  # noqa: SLF001
    RequestType.MEMBERS: Session._members,  # noqa: SLF001
    RequestType.JOIN: Session._join,  # noqa: SLF001
}
