"""Which answer belongs to which question: by id, or by order where no ids come back."""

from typing import Generic, Protocol, TypeVar

from nodnod_client.errors import WireError
from nodnod_client.messages import Answer

W = TypeVar("W")


class Matcher(Protocol[W]):
    """Who waits for what on one connection. A ticket is good for this connection only."""

    def expect(self, waiter: W, *, lasting: bool = False) -> int:
        """Note who waits, for one answer or until forgotten; call it as the question goes out."""

    def forget(self, ticket: int) -> bool:
        """Nobody waits for this any more; its answer may still come and will be nobody's.

        Returns whether anybody still waited.
        """

    def match(self, answer: Answer) -> W | None:
        """Tell whose answer this is; None for one that came too late."""

    def drain(self) -> list[W]:
        """Take out all who still wait, in the order in which they asked."""


class ById(Generic[W]):
    """Version 2: the ticket goes out as the request's ``id`` and comes back in the answer."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[int, W] = {}
        self._lasting: set[int] = set()

    def expect(self, waiter: W, *, lasting: bool = False) -> int:
        """See Matcher."""
        self._last += 1
        self._waiting[self._last] = waiter
        if lasting:
            self._lasting.add(self._last)
        return self._last

    def forget(self, ticket: int) -> bool:
        """See Matcher."""
        self._lasting.discard(ticket)
        return self._waiting.pop(ticket, None) is not None

    def match(self, answer: Answer) -> W | None:
        """See Matcher. An answer without an id of ours is nobody's; an error ends what lasted."""
        ticket = answer.id
        if not isinstance(ticket, int):
            return None
        if ticket in self._lasting and not answer.error and not answer.done:
            return self._waiting[ticket]
        self._lasting.discard(ticket)
        return self._waiting.pop(ticket, None)

    def drain(self) -> list[W]:
        """See Matcher."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self._lasting.clear()
        return waiting


class ByOrder(Generic[W]):
    """Version 1: the n-th answer on a connection answers the n-th question.

    A question that was given up still has its answer coming: that one is counted off and handed
    to nobody, so that the next question never gets it.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._answered = 0
        self._waiting: dict[int, W] = {}

    def expect(self, waiter: W, *, lasting: bool = False) -> int:
        """See Matcher. Version 1 answers once, so nothing lasts here."""
        ticket = self._asked
        self._asked += 1
        self._waiting[ticket] = waiter
        return ticket

    def forget(self, ticket: int) -> bool:
        """See Matcher."""
        return self._waiting.pop(ticket, None) is not None

    def match(self, answer: Answer) -> W | None:
        """See Matcher. Raises WireError where nothing was asked: the order cannot be trusted."""
        if self._answered == self._asked:
            raise WireError("an answer to a question that was never asked")
        ticket = self._answered
        self._answered += 1
        return self._waiting.pop(ticket, None)

    def drain(self) -> list[W]:
        """See Matcher."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting
