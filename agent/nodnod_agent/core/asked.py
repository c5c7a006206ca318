"""What a client asks, read once: the same bytes again need no second reading."""

from typing import NamedTuple

from nodnod.codec import decode_request
from nodnod.messages import Request, RequestType
from nodnod_agent.core.question import Question

__all__ = ["Asked", "Reader"]

REMEMBERED = 64
"""Requests remembered; clients choose what they ask, so that there is an end to it."""

LONGEST = 256
"""Bytes of a request that is remembered."""

_QUESTIONS = frozenset((RequestType.STAT, RequestType.STAT_ALL))


class Asked(NamedTuple):
    """A request and, for types 0 and 1, the question in it."""

    request: Request
    question: Question
    text: bytes


class Reader:
    """Reads requests. Clients repeat theirs for as long as they live, most of them alike."""

    def __init__(self) -> None:
        self._known: dict[bytes, Asked] = {}

    def read(self, text: bytes) -> Asked:
        """Raises RequestError."""
        asked = self._known.get(text)
        if asked is None:
            request = decode_request(text)
            question = Question.of(request) if (request.type or 0) in _QUESTIONS else Question()
            asked = Asked(request, question, text)
            if request.id is None and len(text) <= LONGEST:  # with an id, no two are alike
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[text] = asked
        return asked


read = Reader().read
