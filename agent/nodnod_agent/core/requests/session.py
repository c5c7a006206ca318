"""One client: its requests, the order of its answers, and its limits."""

from collections.abc import Callable

from nodnod_agent.core.encoding import MIN_ROOM, RICH_LIMIT, with_id
from nodnod_agent.core.fitting import ENVELOPE
from nodnod_agent.core.interfaces import Hello, Wire
from nodnod_agent.core.question import Question
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.requests.delivery import Waiter
from nodnod_agent.core.requests.event_streams import EventQuery, EventSubscription
from nodnod_agent.core.requests.request_cache import ParsedRequest
from nodnod_agent.core.requests.responder import MAX_LONG_JOINS, Responder
from nodnod_agent.core.requests.streams import Subscription, Terms
from nodnod_client.codec import decode_join, encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import RequestId, RequestType

MAX_BAD_IN_A_ROW = 10
MAX_JOINS = 20
"""Join requests in a second from one connection; merging lists costs CPU."""
LONG_JOIN = 16 * 1024
"""Bytes from which a join request counts as ten, and as one of MAX_LONG_JOINS."""

POLICY_VIOLATION = 1008

STREAM_STALL_LIMIT = 60.0
"""Seconds in which a client that waits for streams only must take some output. It skips ticks, so
its output cannot grow."""


class Session:
    """Takes requests and sends answers; those without an id in the order of the requests.

    ``ended`` is called once, when the connection is gone.
    """

    __slots__ = (
        "_bad",
        "_ended",
        "_joins",
        "_max_in_flight",
        "_open",
        "_responder",
        "_streams",
        "full",
        "hello",
        "in_flight",
        "ordered",
        "wire",
    )

    def __init__(
        self,
        responder: Responder,
        wire: Wire,
        hello: Hello,
        ended: Callable[["Session"], None],
    ) -> None:
        self.hello = hello
        self.wire = wire
        self._responder = responder
        self._ended = ended
        self._max_in_flight = responder.limits.in_flight
        self._open = True
        self._bad = 0
        self._joins = RateLimit(MAX_JOINS) if self.from_agent else None
        self.ordered: list[_Pending] = []
        """The requests without an id whose answers are not sent."""
        self._streams: dict[int | str, Subscription | EventSubscription] | None = None
        self.in_flight: dict[_Pending, None] = {}  # smaller than a set while it is empty
        self.full = False
        """Whether so much is unanswered that further requests should wait unread."""

    @property
    def stall_limit(self) -> float:
        """Seconds of output unread after which the connection is to be cut."""
        unread_for = self._responder.limits.unread_for
        only_streams = self._streams and not self.in_flight
        return max(STREAM_STALL_LIMIT, unread_for) if only_streams else unread_for

    @property
    def from_agent(self) -> bool:
        """Whether another agent is on the other end, or a client that claims to be one."""
        return self.hello.instance != ""

    @property
    def _room(self) -> int:
        """Bytes that the agent on the other end accepts as a node object."""
        return max(MIN_ROOM, min(RICH_LIMIT, self.hello.limit - ENVELOPE))

    @property
    def known(self) -> bool:
        """Whether it is an agent to which this node has a link; a client cannot claim that."""
        return self.from_agent and self._responder.peers.links.reaches(self.hello.instance)

    @property
    def watches(self) -> bool:
        """Whether it is a client with a stream."""
        return bool(self._streams) and not self.from_agent

    def received(self, text: bytes) -> None:
        """Take one request."""
        if not self._open:
            return
        responder = self._responder
        try:
            parsed, request_id = responder.request_cache.parse(text)
            handler = _HANDLERS.get(parsed.kind)
            if handler is None:
                types = ", ".join(str(int(known)) for known in sorted(_HANDLERS))
                message = f"`type` must be one of {types}, got {str(parsed.kind)[:40]}"
                raise RequestError("unknown_type", message, request_id)
            responder.counters.requests[parsed.kind] += 1
            handler(self, parsed, request_id)
        except RequestError as error:
            self._refuse(error)
        else:
            self._bad = 0

    def input_ended(self) -> bool:
        """Expect no more requests, and end the streams; whether answers are still to be sent."""
        self._end_streams()
        return bool(self.in_flight)

    def ended(self) -> None:
        """Note that the connection is gone; nothing more is sent."""
        self._ended(self)
        self._open = False
        self._end_streams()
        self.ordered.clear()
        self.in_flight.clear()

    def shut(self, code: int, reason: str) -> None:
        """Answer what is in flight with ``shutting_down``, then close the connection."""
        if not self._open:
            return
        self._end_streams()
        error = RequestError("shutting_down", "this agent is shutting down")
        body = self._responder.encoder.refusal(error)
        for pending in tuple(self.in_flight):
            pending.deliver(body)
        self._open = False
        self.wire.close(code, reason)

    def send(self, pending: "_Pending", body: bytes) -> None:
        """Send the answer to a request; at once if the client waits for no other."""
        in_flight = self.in_flight
        del in_flight[pending]
        self.full = False
        if in_flight:
            self.wire.send(body)
        else:
            self.wire.send_now(body)

    def _answer(self, request_id: RequestId | None, body: bytes) -> None:
        """Send an answer that is known at once; without an id, after those that come before it."""
        if request_id is not None:
            self.wire.send(with_id(body, request_id))
        elif not self.ordered:
            self.wire.send(body)
        else:
            self._expect(None, 0.0).deliver(body)

    def _answer_known(self, request_id: RequestId | None, body: Callable[[], bytes]) -> None:
        """Answer what is about others as soon as they are known."""
        if self._responder.others is None:
            self._answer(request_id, body())
            return
        pending = self._expect(request_id, 0.0)
        self._responder.when_known(lambda: pending.deliver(body()))

    def _expect(self, request_id: RequestId | None, timeout: float) -> "_Pending":
        """Note a request that is answered later."""
        deadline = self._responder.clock.time() + timeout
        pending = _Pending(timeout, deadline, self.in_flight, self, request_id)
        if request_id is None:
            self.ordered.append(pending)
        self.in_flight[pending] = None
        self.full = len(self.in_flight) >= self._max_in_flight
        return pending

    def _refuse(self, error: RequestError) -> None:
        responder = self._responder
        self._answer(error.id, responder.encoder.refusal(error))
        responder.counters.refused(error.code)
        self._bad += 1
        if self._bad >= MAX_BAD_IN_A_ROW and self._open:
            self._open = False
            responder.counters.connections_cut += 1
            self.wire.close(POLICY_VIOLATION, f"{MAX_BAD_IN_A_ROW} bad requests in a row")

    def _stat(self, parsed: ParsedRequest, request_id: RequestId | None) -> None:
        question, responder = parsed.question, self._responder
        if not question.plain and self.from_agent:
            question = question._replace(room=self._room)
        elif question.ago is not None and not question.local:
            question = question._replace(ago=None)  # clients say until when
        if parsed.request.every is not None:
            self._stream(question, parsed, request_id, parsed.request.every)
        elif question.local and responder.local.ready(question):
            responder.counters.answered_at_once += 1
            body = responder.encoder.own(responder.local.entry(question))
            request = parsed.request
            if request.kept is not None and self.from_agent:
                body = responder.with_kept(body, request.kept, request.ago, self.hello.limit)
            self._answer(request_id, body)
        else:
            responder.ask(question, self._expect(request_id, parsed.timeout))

    def _stream(
        self, question: Question, parsed: ParsedRequest, request_id: RequestId | None, every: float
    ) -> None:
        streams, stream_id = self._room_for_stream(request_id)
        # A tick that waits for a frozen peer should still come before the next one.
        given = parsed.request.timeout is not None
        terms = Terms(question, every, parsed.timeout if given else min(parsed.timeout, every))
        streams[stream_id] = self._responder.streams.open(terms, self.wire, encode(stream_id))

    def _events(self, parsed: ParsedRequest, request_id: RequestId | None) -> None:
        query, every = EventQuery.of(parsed.request), parsed.request.every
        if every is None:
            self._answer_known(request_id, lambda: self._responder.events(query))
            return
        streams, stream_id = self._room_for_stream(request_id)
        open_stream = self._responder.event_streams.open
        streams[stream_id] = open_stream(query, every, self.wire, encode(stream_id))

    def _alerts(self, parsed: ParsedRequest, request_id: RequestId | None) -> None:
        question, every = Question(nodes=Question.of(parsed.request).nodes), parsed.request.every
        if every is None:
            self._answer_known(request_id, lambda: self._responder.alert_list(question))
            return
        streams, stream_id = self._room_for_stream(request_id)
        terms = Terms(question, every, every)
        streams[stream_id] = self._responder.alert_streams.open(terms, self.wire, encode(stream_id))

    def _silence(self, parsed: ParsedRequest, request_id: RequestId | None) -> None:
        requests, operator = self._responder.silence_requests, self.hello.operator
        self._answer(request_id, requests.answer(parsed.request, operator))

    def _room_for_stream(
        self, request_id: RequestId | None
    ) -> tuple[dict[int | str, Subscription | EventSubscription], RequestId]:
        """The streams of this client, and the id for one more. Raises RequestError."""
        if request_id is None:
            raise RequestError("bad_request", "`every` needs an `id`, to know the stream by")
        streams = self._streams = self._streams or {}
        if request_id in streams:
            message = f"a stream with `id` {request_id!r} runs already"
            raise RequestError("duplicate_id", message, request_id)
        if len(streams) >= (most := self._responder.limits.streams):
            message = f"{most} streams run on this connection already"
            raise RequestError("too_many_streams", message, request_id)
        return streams, request_id

    def _stop(self, _: ParsedRequest, request_id: RequestId | None) -> None:
        if request_id is None:
            raise RequestError("bad_request", "`type` 2 needs the `id` of the stream to stop")
        subscription = self._streams.pop(request_id, None) if self._streams else None
        if subscription is None:
            message = f"no stream with `id` {request_id!r} runs"
            raise RequestError("no_such_stream", message, request_id)
        subscription.end()
        self._answer(request_id, self._responder.encoder.end_of_stream())

    def _members(self, _: ParsedRequest, request_id: RequestId | None) -> None:
        self._answer_known(request_id, self._responder.members)

    def _join(self, parsed: ParsedRequest, request_id: RequestId | None) -> None:
        text = parsed.text
        if self._joins is None:
            raise RequestError("forbidden", "`type` 4 is for agents", request_id)
        now, long = self._responder.clock.time(), len(text) > LONG_JOIN
        if not self._joins.take(now, 10 if long else 1):
            message = f"more than {MAX_JOINS} requests of `type` 4 in a second"
            raise RequestError("forbidden", message, request_id)
        if long and not self._responder.long_joins.take(now):
            message = (
                f"more than {MAX_LONG_JOINS} long requests of `type` 4 in a second, of all agents"
            )
            raise RequestError("forbidden", message, request_id)
        join = decode_join(text, parsed.request)
        hello = self.hello
        self._answer(request_id, self._responder.join(join, hello.address or "?", hello.limit))

    def _end_streams(self) -> None:
        streams, self._streams = self._streams, None
        for subscription in (streams or {}).values():
            subscription.end()


class _Pending(Waiter, eq=False):
    """A request of a session that is not answered yet; ``body`` is an answer that must wait."""

    session: Session
    id: RequestId | None
    body: bytes | None = None

    def deliver(self, body: bytes) -> None:
        """Send the answer as soon as those that must come before it are sent."""
        session = self.session
        if self not in session.in_flight or self.body is not None:  # gone, or answered before
            return
        if self.id is not None:
            session.send(self, with_id(body, self.id))
            return
        # It stays in flight until it is sent: its answer takes memory too.
        self.body = body
        ordered = session.ordered
        while ordered and (ready := ordered[0].body) is not None:
            session.send(ordered.pop(0), ready)


_HANDLERS: dict[int, Callable[[Session, ParsedRequest, RequestId | None], None]] = {
    RequestType.STAT: Session._stat,  # noqa: SLF001
    RequestType.STAT_ALL: Session._stat,  # noqa: SLF001
    RequestType.STOP: Session._stop,  # noqa: SLF001
    RequestType.MEMBERS: Session._members,  # noqa: SLF001
    RequestType.JOIN: Session._join,  # noqa: SLF001
    RequestType.ALERTS: Session._alerts,  # noqa: SLF001
    RequestType.SILENCE: Session._silence,  # noqa: SLF001
    RequestType.EVENTS: Session._events,  # noqa: SLF001
}
