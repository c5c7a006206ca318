"""One client: its requests, the order of its answers, and how much of it is borne."""

from collections.abc import Callable
from typing import Protocol

from nodnod.codec import decode_request, encode
from nodnod.errors import RequestError
from nodnod.messages import Request, RequestType
from nodnod_agent.core.query import Queries
from nodnod_agent.core.question import Question
from nodnod_agent.core.world import Clock, Wire

__all__ = ["Services", "Session"]

DEFAULT_TIMEOUT = 2.0
MAX_IN_FLIGHT = 64
"""Unanswered requests per connection; more wait unread. Raising it costs memory per client."""

MAX_BAD_IN_A_ROW = 10
POLICY_VIOLATION = 1008


class Services(Protocol):
    """What a session needs of the agent that it is a session of."""

    name: str
    clock: Clock
    queries: Queries


class Session:
    """Requests in, answers out; those without an id in the order in which they came."""

    __slots__ = ("_agent", "_bad", "_open", "_ordered", "_wire", "in_flight")

    def __init__(self, agent: Services, wire: Wire) -> None:
        self._agent = agent
        self._wire = wire
        self._open = True
        self._bad = 0
        self._ordered: list[_Slot] = []
        self.in_flight: set[_Slot] = set()

    @property
    def full(self) -> bool:
        """Whether so many requests are unanswered that the next had better wait unread."""
        return len(self.in_flight) >= MAX_IN_FLIGHT

    def received(self, text: bytes) -> None:
        """Take one request."""
        if not self._open:
            return
        try:
            request = decode_request(text)
            handler = _HANDLERS.get(request.type or 0)
            if handler is None:
                types = ", ".join(str(int(known)) for known in sorted(_HANDLERS))
                message = f"`type` must be one of {types}, got {str(request.type)[:40]}"
                raise RequestError("unknown_type", message, request.id)
            handler(self, request)
        except RequestError as error:
            self._refuse(error)
        else:
            self._bad = 0

    def ended(self) -> None:
        """The connection is gone; nothing more is sent."""
        self._open = False
        self._ordered.clear()
        self.in_flight.clear()

    def shut(self, code: int, reason: str) -> None:
        """Answer what is in flight with ``shutting_down``, then say goodbye."""
        if not self._open:
            return
        body = error_body(self._agent.name, "shutting_down", "this agent is shutting down")
        for slot in tuple(self.in_flight):
            self.settle(slot, body)
        self._open = False
        self._wire.close(code, reason)

    def settle(self, slot: "_Slot", body: bytes) -> None:
        """Send an answer, as soon as those that must come before it are sent."""
        if slot not in self.in_flight:  # the client has gone meanwhile
            return
        self.in_flight.discard(slot)
        if slot.id is not None:
            self._wire.send(with_id(body, slot.id))
            return
        slot.body = body
        ordered = self._ordered
        while ordered and (ready := ordered[0].body) is not None:
            del ordered[0]
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
        self._answer(error.id, error_body(self._agent.name, error.code, str(error)))
        self._bad += 1
        if self._bad >= MAX_BAD_IN_A_ROW and self._open:
            self._open = False
            self._wire.close(POLICY_VIOLATION, f"{MAX_BAD_IN_A_ROW} bad requests in a row")

    def _stat(self, request: Request) -> None:
        self._answer(request.id, self._agent.queries.own_body(Question.of(request)))

    def _stat_all(self, request: Request) -> None:
        timeout = DEFAULT_TIMEOUT if request.timeout is None else request.timeout
        slot = _Slot(self, request.id, timeout, self._agent.clock.time() + timeout)
        if request.id is None:
            self._ordered.append(slot)
        self.in_flight.add(slot)
        self._agent.queries.ask(Question.of(request), slot)


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

    def settle(self, body: bytes) -> None:
        """See Waiter."""
        self.session.settle(self, body)


_HANDLERS: dict[int, Callable[[Session, Request], None]] = {
    RequestType.STAT: Session._stat,  # noqa: SLF001
    RequestType.STAT_ALL: Session._stat_all,  # noqa: SLF001
}


def with_id(body: bytes, id: int | str) -> bytes:  # noqa: A002
    """The same answer, with the id of the request that it belongs to."""
    return b'%b,"id":%b}' % (body[:-1], encode(id))


def error_body(host: str, code: str, message: str) -> bytes:
    """The answer to a request that is refused."""
    return encode({"host": host, "nodes": {}, "error": message, "code": code})
