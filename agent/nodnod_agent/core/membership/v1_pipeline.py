"""What a version-1 peer owes us: its answers carry no id, and come in the order of the questions.

All questions to it are the same. So only a few are under way at a time, and those who ask meanwhile
share the next: a peer that is slower than we ask falls no further behind.
"""

from collections import deque
from collections.abc import Sequence

UNDER_WAY = 32
"""Questions that are sent before the first of them is answered."""

MAX_UNANSWERED = 1024
"""Queries that may wait for one peer; of more it is not asked, so that memory stays bounded."""

OVERDUE = 10.0
"""Seconds after which an answer will not come any more: version 1 itself waits no longer."""


class V1Pipeline:
    """The queries that a peer owes answers to, in the order in which it was asked.

    A query is ``None`` where the answer is to tell the peer's name.
    """

    __slots__ = ("_sent", "_waiting")

    def __init__(self) -> None:
        self._sent: deque[tuple[float, list[int | None]]] = deque()
        self._waiting: list[int | None] = []

    def __len__(self) -> int:
        return len(self._waiting) + sum(len(queries) for _, queries in self._sent)

    def add(self, query: int | None) -> bool:
        """Note a query that is to be asked; false if there are too many."""
        if len(self) >= MAX_UNANSWERED:
            return False
        self._waiting.append(query)
        return True

    def next(self, now: float) -> bool:
        """Whether a question is to be sent now; all who wait share it."""
        if not self._waiting or len(self._sent) >= UNDER_WAY:
            return False
        self._sent.append((now, self._waiting))
        self._waiting = []
        return True

    def answered(self) -> Sequence[int | None]:
        """The queries that an answer is for; none, if nobody has asked."""
        return self._sent.popleft()[1] if self._sent else ()

    def overdue(self, now: float) -> bool:
        """Whether an answer is missing: then all that come are taken for others."""
        return bool(self._sent) and now - self._sent[0][0] > OVERDUE

    def clear(self) -> None:
        """The connection has ended: nothing is owed any more."""
        self._sent.clear()
        self._waiting = []
