"""Matches answers to the requests on one connection: by id, or by order against version 1."""

from typing import Generic, TypeVar

from nodnod_client.errors import WireError
from nodnod_client.messages import Answer

R = TypeVar("R")


class IdMatcher(Generic[R]):
    """The receivers of answers, by request id. An id is unique on its connection."""

    def __init__(self) -> None:
        self._last = 0
        self._receivers: dict[int, R] = {}
        self._streams: set[int] = set()

    def add(self, receiver: R, *, stream: bool = False) -> int:
        """Register the receiver of a request that is sent now; its id.

        It stays registered for one answer, or for a stream until it is removed.
        """
        self._last += 1
        self._receivers[self._last] = receiver
        if stream:
            self._streams.add(self._last)
        return self._last

    def remove(self, request_id: int) -> bool:
        """Drop a receiver: an answer may still come, and is ignored. Whether there was one."""
        self._streams.discard(request_id)
        return self._receivers.pop(request_id, None) is not None

    def match(self, answer: Answer) -> R | None:
        """The receiver of an answer; None for a late or unknown one. An error ends a stream."""
        if not isinstance(answer.id, int):
            return None
        if answer.id in self._streams and not answer.error and not answer.done:
            return self._receivers[answer.id]
        self._streams.discard(answer.id)
        return self._receivers.pop(answer.id, None)

    def drain(self) -> list[R]:
        """Remove all receivers; they are returned in the order of their requests."""
        receivers = list(self._receivers.values())
        self._receivers.clear()
        self._streams.clear()
        return receivers


class OrderMatcher(IdMatcher[R]):
    """Version 1 has no ids: the n-th answer belongs to the n-th request.

    The answer to a request that was given up still comes. It is counted and ignored, so that the
    next request does not get it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._answered = 0

    def match(self, answer: Answer) -> R | None:
        """The receiver of the next answer. Raises WireError if none is due."""
        if self._answered == self._last:
            raise WireError("an answer without a request")
        self._answered += 1
        return self._receivers.pop(self._answered, None)
