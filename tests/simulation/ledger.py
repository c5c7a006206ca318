"""The requests and answers of one client that may send anything: each request gets one answer.

It reads requests as a client does: as JSON, of which it takes the ``id`` and no more than it must.
"""

import json
from collections import Counter
from typing import Any, NamedTuple

from bench.harness.invariants.form import check_form, parse
from nodnod_client.messages import MAX_ID_LENGTH, MAX_INT

ECHOED = 200
"""Characters of a request that an error may repeat."""


class Asked(NamedTuple):
    """One request; ``id`` is what every answer to it must carry, ``None`` for none."""

    text: bytes
    id: int | str | None
    stream: bool


def read(text: bytes) -> Asked:
    """What a request asks for, as far as an answer shows it."""
    try:
        document = json.loads(text.decode(), parse_constant=_refuse, parse_int=_integer)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Asked(text, None, stream=False)
    id_ = document.get("id")
    if isinstance(id_, str):
        valid = len(id_) <= MAX_ID_LENGTH
    else:
        valid = isinstance(id_, int) and not isinstance(id_, bool) and abs(id_) <= MAX_INT
    stream = document.get("every") is not None and document.get("type") in (None, 0, 1, 5, 7)
    return Asked(text, id_ if valid else None, stream)


class Ledger:
    """Takes down requests and answers. Raises AssertionError where they do not match."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[dict[str, Any]] = []

    def ask(self, text: bytes) -> None:
        """Note a request."""
        self.asked.append(read(text))

    def due(self, id_: int) -> None:
        """Note that one answer may come without a request."""
        self.asked.append(Asked(b"", id_, stream=False))

    def answer(self, text: bytes) -> None:
        """Note an answer, whose form must be right."""
        answer = parse(text)
        assert list(check_form(answer)) == []
        if "code" in answer:
            error = answer["error"]
            for start in range(len(error) - ECHOED):
                window = json.dumps(error[start : start + ECHOED + 1])[1:-1].encode()
                assert all(window not in asked.text for asked in self.asked), "echoes too much"
        self.answers.append(answer)

    @property
    def finals(self) -> list[dict[str, Any]]:
        """The answers that are no ticks of a stream."""
        return [answer for answer in self.answers if "seq" not in answer]

    def check(self, *, complete: bool = True, ticked: bool = True) -> None:
        """No request has two answers, and no answer came without a request.

        ``complete``: every request has its answer; ``ticked``: every stream has had time for a tick.
        """
        asked = Counter(one.id for one in self.asked)
        streams = Counter(one.id for one in self.asked if one.stream and one.id is not None)
        answered = Counter(answer.get("id") for answer in self.finals)
        for id_, count in answered.items():
            assert count <= asked[id_], f"{count} answers to {asked[id_]} requests with id {id_!r}"
        ticking = {answer["id"] for answer in self.answers if "seq" in answer}
        assert ticking <= set(streams), "a stream that was not asked for"
        if not complete:
            return
        for id_, count in asked.items():
            # A stream that is not refused has no last answer.
            least = count - streams[id_]
            assert answered[id_] >= least, f"{answered[id_]} of {count} answers, id {id_!r}"
        stopped = {answer.get("id") for answer in self.finals if "done" in answer}
        if ticked:
            for id_, count in streams.items():
                quiet = answered[id_] < count and id_ not in ticking | stopped
                assert not quiet, f"a stream that never ticks, id {id_!r}"


def _integer(digits: str) -> int:
    # A number that is too long for Python is too long for an id.
    return int(digits) if len(digits) < 4000 else 10**4000


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
