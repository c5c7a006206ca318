"""The answers to type 6: silences begin, end, and are listed."""

from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.table import MAX_SILENCES
from nodnod_agent.core.encoding import AnswerEncoder
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_agent.core.rate_limit import RateLimit
from nodnod_agent.core.tag_pattern import is_tag_pattern
from nodnod_client.alerts import Silence, SilenceInfo
from nodnod_client.errors import RequestError
from nodnod_client.messages import Request, SilenceTerms

MAX_CHANGES = 10
"""Silences that begin or end in a second, for all clients; each is told to all agents."""


class SilenceRequests:
    """Takes what clients ask of the silences."""

    def __init__(self, silencing: Silencing, encoder: AnswerEncoder, clock: Clock) -> None:
        self._silencing = silencing
        self._encoder = encoder
        self._clock = clock
        self._changes = RateLimit(MAX_CHANGES)

    def answer(self, request: Request, operator: str | None) -> bytes:
        """The answer to a request of type 6: all silences, and the one that was made or ended.

        ``operator`` is the name of the client, empty if unknown, and ``None`` if it may only read.
        Raises RequestError.
        """
        changed = self._change(request, operator)
        fields = {"silences": [_info(one) for one in self._silencing.active]}
        if changed is None:
            return self._encoder.fields(**fields)
        return self._encoder.fields(**fields, silence=_info(changed))

    def _change(self, request: Request, operator: str | None) -> Silence | None:
        terms, number = request.silence, request.end
        if terms is None and number is None:
            return None
        if terms is not None and number is not None:
            message = "`silence` and `end` cannot be in one request"
            raise RequestError("bad_request", message, request.id)
        if operator is None:
            message = "to begin or end a silence takes a token of role `operate`"
            raise RequestError("forbidden", message, request.id)
        if not self._changes.take(self._clock.time()):
            message = f"more than {MAX_CHANGES} silences began or ended in this second"
            raise RequestError("forbidden", message, request.id)
        if terms is not None:
            return self._begin(terms, operator or self._encoder.host, request)
        return self._end(number or "", request)

    def _begin(self, terms: SilenceTerms, by: str, request: Request) -> Silence:
        if is_tag_pattern(terms.node or ""):
            message = "`silence.node` must be a name or pattern of names, not of tags"
            raise RequestError("bad_request", message, request.id)
        for field in ("node", "rule", "reason"):
            if not (getattr(terms, field) or "").isprintable():
                message = f"`silence.{field}` must be printable"
                raise RequestError("bad_request", message, request.id)
        try:
            silence = self._silencing.begin(terms, by)
        except EntryRefused as error:
            raise RequestError("bad_request", str(error), request.id) from None
        if silence is None:
            message = f"there are {MAX_SILENCES} silences already"
            raise RequestError("too_many_silences", message, request.id)
        return silence

    def _end(self, number: str, request: Request) -> Silence:
        silence = self._silencing.end(number)
        if silence is None:
            message = f"there is no silence with the id {number!r}"
            raise RequestError("no_such_silence", message, request.id)
        return silence


def _info(silence: Silence) -> SilenceInfo:
    """A silence with all its fields: agents leave out those that have their defaults."""
    return SilenceInfo(
        silence.id,
        silence.node,
        silence.rule,
        silence.until,
        silence.reason,
        silence.by,
        silence.at,
    )
