"""What is asked: the part of a request that decides what its answer holds."""

from typing import NamedTuple

from nodnod_agent.core.pattern import MAX_PATTERNS, is_pattern
from nodnod_client.codec import encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import SECTIONS, Request, RequestType

V1_QUESTION = b'{"type":0,"statType":0}'
"""All that a version-1 agent can be asked for itself."""


class Question(NamedTuple):
    """Hashable: requests that hold equal questions can share one answer.

    ``here`` asks for this node alone. ``detail`` holds section names, sorted; ``history`` seconds
    of the past; ``nodes`` the names and patterns asked for, ``None`` for all.
    """

    here: bool = False
    stat_type: int = 0
    detail: tuple[str, ...] = ()
    history: float | None = None
    nodes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, request: Request) -> "Question":
        """The question that a request asks.

        Raises RequestError for an unknown section, or too many patterns.
        """
        for section in request.detail or ():
            if section not in SECTIONS:
                known = ", ".join(sorted(SECTIONS))
                message = f"`detail` must name sections ({known}), got {section!r}"
                raise RequestError("unknown_section", message, request.id)
        if (wild := sum(map(is_pattern, request.nodes or ()))) > MAX_PATTERNS:
            message = f"`nodes` may hold at most {MAX_PATTERNS} patterns, got {wild}"
            raise RequestError("bad_request", message, request.id)
        here = not request.type
        return cls(
            here,
            request.stat_type or 0,
            tuple(sorted(set(request.detail))) if request.detail else (),
            request.history,
            None if here or request.nodes is None else tuple(sorted(set(request.nodes))),
        )

    @property
    def plain(self) -> bool:
        """Whether version 1 could carry the answer: no detail, no history."""
        return not self.detail and self.history is None

    @property
    def bare(self) -> "Question":
        """The same without what costs anything to answer."""
        return self._replace(detail=(), history=None)

    @property
    def expensive(self) -> bool:
        """Whether an answer takes each node milliseconds, and is large."""
        return self.history is not None

    @property
    def literals(self) -> list[str]:
        """The names among ``nodes``, which are no patterns."""
        return [node for node in self.nodes or () if not is_pattern(node)]

    def to_peer(self, query: int, timeout: float) -> bytes:
        """The request that asks one version-2 peer for its own share of the answer."""
        if self.plain:  # the one that is sent all the time
            return b'{"type":0,"statType":%d,"id":%d}' % (self.stat_type, query)
        return encode(
            Request(
                type=RequestType.STAT,
                stat_type=self.stat_type,
                id=query,
                detail=list(self.detail) or None,
                history=self.history,
                # What it must gather first needs a deadline; what it has at hand does not.
                timeout=min(max(timeout, 0.05), 30.0),
            )
        )
