"""Parsed requests: the same bytes are decoded once."""

from typing import NamedTuple

from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_request
from nodnod_client.messages import Request, RequestType

MAX_REQUESTS = 64
"""Requests in the cache; clients choose what they ask, so it is bounded."""

MAX_LENGTH = 256
"""Bytes of a request that may be cached."""

_QUESTIONS = frozenset((RequestType.STAT, RequestType.STAT_ALL))


class ParsedRequest(NamedTuple):
    """A request, the question of types 0 and 1, and the text of both."""

    request: Request
    question: Question
    text: bytes


class RequestCache:
    """Parses requests. Most clients repeat theirs as long as they live, and many send the same."""

    def __init__(self) -> None:
        self._parsed: dict[bytes, ParsedRequest] = {}

    def parse(self, text: bytes) -> ParsedRequest:
        """Parse a request, or find it in the cache. Raises RequestError."""
        parsed = self._parsed.get(text)
        if parsed is None:
            request = decode_request(text)
            question = Question.of(request) if (request.type or 0) in _QUESTIONS else Question()
            parsed = ParsedRequest(request, question, text)
            if request.id is None and len(text) <= MAX_LENGTH:  # one with an id does not come again
                if len(self._parsed) >= MAX_REQUESTS:
                    self._parsed.clear()
                self._parsed[text] = parsed
        return parsed
