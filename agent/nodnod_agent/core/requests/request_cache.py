"""What a client asks, read once: the same bytes again need no second reading."""

from typing import NamedTuple

from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_request
from nodnod_client.messages import Request, RequestType

REMEMBERED = 64
"""Requests remembered; clients choose what they ask, so that there is an end to it."""

LONGEST = 256
"""Bytes of a request that is remembered."""

_QUESTIONS = frozenset((RequestType.STAT, RequestType.STAT_ALL))


class ParsedRequest(NamedTuple):
    """A request and, for types 0 and 1, the question in it."""

    request: Request
    question: Question
    text: bytes


class RequestCache:
    """Reads requests. Clients repeat theirs for as long as they live, most of them alike."""

    def __init__(self) -> None:
        self._known: dict[bytes, ParsedRequest] = {}

    def read(self, text: bytes) -> ParsedRequest:
        """Raises RequestError."""
        asked = self._known.get(text)
        if asked is None:
            request = decode_request(text)
            question = Question.of(request) if (request.type or 0) in _QUESTIONS else Question()
            asked = ParsedRequest(request, question, text)
            if request.id is None and len(text) <= LONGEST:  # with an id, no two are alike
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[text] = asked
        return asked


read = RequestCache().read
