"""The questions to one version-1 peer: its answers carry no id, and come in the order of the questions.

All questions to it are the same. So only a few are under way at a time, and the queries that come
meanwhile share the next: a peer that is slower than the queries falls no further behind.
"""

from collections import deque
from collections.abc import Sequence

UNDER_WAY = 32
"""Questions that are sent before the first of them is answered."""

MAX_UNANSWERED = 1024
"""Queries that may wait for one peer: beyond that it is not asked, so that memory stays bounded."""

OVERDUE = 10.0
"""Seconds after which an answer will not come any more: version 1 itself waits no longer."""


class V1Pipeline:
    """The queries that a peer has still to answer, in the order in which they were sent.

    A query is ``None`` if its answer is to tell the peer's name.
    """

    __slots__ = ("_sent", "_waiting")

    def __init__(self) -> None:
        self._sent: deque[tuple[float, list[int | None]]] = deque()
        self._waiting: list[int | None] = []

    def __len__(self) -> int:
        return len(self._waiting) + sum(len(queries) for _, queries in self._sent)

    def add(self, query: int | None) -> bool:
        """Add a query to the next question; false if too many are unanswered."""
        if len(self) >= MAX_UNANSWERED:
            return False
        self._waiting.append(query)
        return True

    def next(self, now: float) -> bool:
        """Whether to send a question now; all waiting queries share it."""
        if not self._waiting or len(self._sent) >= UNDER_WAY:
            return False
        self._sent.append((now, self._waiting))
        self._waiting = []
        return True

    def answered(self) -> Sequence[int | None]:
        """The queries that the next answer belongs to; none if nothing was asked."""
        return self._sent.popleft()[1] if self._sent else ()

    def overdue(self, now: float, since: float) -> bool:
        """Whether an answer is missing, and a later query would get it as its own.

        It is not expected earlier than ``OVERDUE`` after ``since``. Without a query after that time
        it may still come, and cutting the connection helps no one.
        """
        if not self._sent:
            return False
        due = max(self._sent[0][0], since) + OVERDUE
        return now > due and (bool(self._waiting) or self._sent[-1][0] > due)

    def clear(self) -> None:
        """Forget all queries: the connection has ended."""
        self._sent.clear()
        self._waiting = []
