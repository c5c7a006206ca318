"""Parsed requests: the same question is decoded once, whatever its ids."""

from msgspec import Struct

from nodnod_agent.core.encoding import split_id
from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_request
from nodnod_client.messages import Request, RequestId, RequestType

MAX_REQUESTS = 64
"""Requests in the cache; clients choose what they ask, so it is bounded."""

MAX_LENGTH = 256
"""Bytes of a request that may be cached."""

DEFAULT_TIMEOUT = 2.0

_QUESTIONS = frozenset((RequestType.STAT, RequestType.STAT_ALL))


class ParsedRequest(Struct, frozen=True):
    """A request, and the question of types 0 and 1; any other also has its ``text``.

    A question may have come before: the id of ``request`` is then another one. ``timeout`` is in
    seconds.
    """

    kind: int
    request: Request
    question: Question
    timeout: float
    text: bytes = b""


class RequestCache:
    """Parses requests. Most clients repeat theirs as long as they live, and many send the same."""

    def __init__(self) -> None:
        self._parsed: dict[bytes, ParsedRequest] = {}
        """By the text before the id, or by the whole text of a request without one."""

    def parse(self, text: bytes) -> tuple[ParsedRequest, RequestId | None]:
        """Parse a request, or find it in the cache; returns its id beside it. Raises RequestError."""
        parsed = self._parsed.get(text)
        if parsed is not None and parsed.request.id is None:
            return parsed, None
        head, number = split_id(text)
        if number is not None:
            parsed = self._parsed.get(head)
            if parsed is not None and parsed.request.id is not None:
                return parsed, number
        request = decode_request(text)
        kind = request.type or 0
        timeout = DEFAULT_TIMEOUT if request.timeout is None else request.timeout
        if kind not in _QUESTIONS:
            return ParsedRequest(kind, request, Question(), timeout, text), request.id
        parsed = ParsedRequest(kind, request, Question.of(request), timeout)
        if request.id == number and len(head) <= MAX_LENGTH:
            if len(self._parsed) >= MAX_REQUESTS:
                self._parsed.clear()
            self._parsed[head] = parsed
        return parsed, request.id
