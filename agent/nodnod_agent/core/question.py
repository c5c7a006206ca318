"""Questions: the part of a request that decides what its answer holds."""

from math import ceil
from typing import NamedTuple

from nodnod_agent.core.fitting import ANSWER_LIMIT, ENVELOPE
from nodnod_agent.core.pattern import MAX_PATTERNS, is_pattern
from nodnod_agent.core.tag_pattern import is_tag_pattern, tag_pattern_fault
from nodnod_client.codec import encode
from nodnod_client.errors import RequestError
from nodnod_client.messages import MAX_POINTS, Request, RequestType
from nodnod_client.sections import SECTIONS

MATCHED = "processes"
"""The section that ``match`` is about."""

SHORT_HISTORY = 3600.0
"""The most seconds of history that agents accept which keep no more than an hour."""

V1_REQUEST = b'{"type":0,"statType":0}'
"""The only request that asks a version-1 agent for itself."""


_OF_STATS = frozenset((RequestType.STAT, RequestType.STAT_ALL))


def split_key(key: str) -> tuple[str, str | None]:
    """The section of a key, and its pattern; None for a whole section."""
    section, matched, match = key.partition("?match=")
    return section, match if matched else None


class Question(NamedTuple):
    """Hashable: requests with equal questions can share one answer.

    ``local`` asks for this node alone. ``detail`` holds section names, sorted; ``history`` is in
    seconds; ``nodes`` holds the names and patterns asked for, of names and tags, sorted, ``None``
    for all nodes.
    ``room`` is the size in bytes that a node object with detail or history may have.
    ``match`` is the name or pattern of the processes to list, only with their section in
    ``detail``.
    ``until`` is when the history is to end, in Unix seconds by this agent's clock; ``ago``, in a
    question of another agent, is how many seconds ago. Both are ``None`` for now.
    """

    local: bool = False
    stat_type: int = 0
    detail: tuple[str, ...] = ()
    history: float | None = None
    nodes: tuple[str, ...] | None = None
    room: int = ANSWER_LIMIT - ENVELOPE
    match: str | None = None
    until: float | None = None
    ago: float | None = None

    @classmethod
    def of(cls, request: Request) -> "Question":
        """The question of a request.

        Raises RequestError for an unknown section, for too many or malformed patterns, and for
        ``until`` where there is no history that could end then.
        """
        for section in request.detail or ():
            if section not in SECTIONS:
                known = ", ".join(sorted(SECTIONS))
                message = f"`detail` must name sections ({known}), got {section!r}"
                raise RequestError("unknown_section", message, request.id)
        for fault in filter(None, map(tag_pattern_fault, request.nodes or ())):
            raise RequestError("bad_request", f"`nodes` {fault}", request.id)
        patterns = sum(is_tag_pattern(one) or is_pattern(one) for one in request.nodes or ())
        if patterns > MAX_PATTERNS:
            message = f"`nodes` may hold at most {MAX_PATTERNS} patterns, got {patterns}"
            raise RequestError("bad_request", message, request.id)
        local = not request.type
        until = _until(request) if (request.type or 0) in _OF_STATS else None
        return cls(
            local,
            request.stat_type or 0,
            tuple(sorted(set(request.detail))) if request.detail else (),
            request.history,
            None if local or request.nodes is None else tuple(sorted(set(request.nodes))),
            match=request.match if MATCHED in (request.detail or ()) else None,
            until=until,
            ago=request.ago if until is None and request.history is not None else None,
        )

    @property
    def plain(self) -> bool:
        """Whether version 1 could carry the answer: no detail, no history."""
        return not self.detail and self.history is None

    @property
    def reduced(self) -> "Question":
        """The plain part of the question."""
        return self.without_history._replace(detail=(), match=None)

    @property
    def without_history(self) -> "Question":
        """The same without the past."""
        return self._replace(history=None, until=None, ago=None)

    @property
    def shortened(self) -> "Question":
        """The same for an agent that keeps no more than an hour."""
        return self._replace(history=min(self.history or 0, SHORT_HISTORY))

    def key(self, section: str) -> str:
        """The key under which a sample has what this question asks of a section."""
        matched = self.match is not None and section == MATCHED
        return f"{section}?match={self.match}" if matched else section

    @property
    def names(self) -> list[str]:
        """Those of ``nodes`` that are names, not patterns."""
        return [node for node in self.name_patterns if not is_pattern(node)]

    @property
    def name_patterns(self) -> list[str]:
        """Those of ``nodes`` that are names, or patterns of names."""
        return [node for node in self.nodes or () if not is_tag_pattern(node)]

    @property
    def tag_patterns(self) -> list[str]:
        """Those of ``nodes`` that are patterns of tags."""
        return [node for node in self.nodes or () if is_tag_pattern(node)]

    def to_peer(self, query: int, timeout: float, ago: float | None = None) -> bytes:
        """The request that asks one version-2 peer for its own part of the answer.

        ``timeout`` is in seconds; ``ago`` stands for ``until``, since the clock of the peer may
        differ.
        """
        if not self.detail and self.history is None:  # nearly all are plain
            return b'{"type":0,"statType":%d,"id":%d}' % (self.stat_type, query)
        return encode(
            Request(
                type=RequestType.STAT,
                stat_type=self.stat_type,
                id=query,
                detail=list(self.detail) or None,
                history=self.history,
                ago=ago,
                match=self.match,
                # Sections may have to be sampled first, and that must end by the deadline.
                timeout=min(max(timeout, 0.05), 30.0),
            )
        )


def _until(request: Request) -> float | None:
    """When the history of a request is to end. Raises RequestError if it cannot end then.

    It is rounded down to the least distance of points, so that all who look at the same time ask the
    same question.
    """
    if request.until is None:
        return None
    if request.history is None:
        raise RequestError("bad_request", "`until` needs `history`, whose end it is", request.id)
    if request.every is not None:
        message = "`until` needs a request without `every`: a stream goes on from now"
        raise RequestError("bad_request", message, request.id)
    step = max(1, ceil(request.history / MAX_POINTS))
    return request.until // step * step
