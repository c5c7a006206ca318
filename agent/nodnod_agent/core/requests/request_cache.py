"""Parsed requests: the same question is decoded once, whatever its ids."""

from msgspec import Struct

from nodnod_agent.core.encoding import split_id
from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_request
from nodnod_client.messages import Request, RequestType

MAX_REQUESTS = 64
"""Requests in the cache; clients choose what they ask, so it is bounded."""

MAX_LENGTH = 256
"""Bytes of a request that may be cached."""

DEFAULT_TIMEOUT = 2.0

_QUESTIONS = frozenset((RequestType.STAT, RequestType.STAT_ALL))

RequestId = int | str | None


class ParsedRequest(Struct, frozen=True):
    """A request without its id, and the question of types 0 and 1.

    ``request`` may be that of another request, which differs in nothing but its id. ``timeout`` is
    in seconds.
    """

    kind: int
    request: Request
    question: Question
    timeout: float
    text: bytes


class RequestCache:
    """Parses requests. Most clients repeat theirs as long as they live, and many send the same."""

    def __init__(self) -> None:
        self._parsed: dict[bytes, ParsedRequest] = {}
        """By the text before the id, or by the whole text of a request without one."""

    def parse(self, text: bytes) -> tuple[ParsedRequest, RequestId]:
        """Parse a request, or find it in the cache; returns its id beside it. Raises RequestError."""
        parsed = self._parsed.get(text)
        if parsed is not None:
            return parsed, None
        head, number = split_id(text)
        if number is not None:
            parsed = self._parsed.get(head)
            if parsed is not None:
                return parsed, number
        request = decode_request(text)
        kind = request.type or 0
        is_question = kind in _QUESTIONS
        question = Question.of(request) if is_question else Question()
        timeout = DEFAULT_TIMEOUT if request.timeout is None else request.timeout
        parsed = ParsedRequest(kind, request, question, timeout, text)
        if is_question and request.id == number and len(head) <= MAX_LENGTH:
            if len(self._parsed) >= MAX_REQUESTS:
                self._parsed.clear()
            self._parsed[head] = parsed
        return parsed, request.id
