"""What one client has asked and been answered, and whether that is right, whatever it asked.

It knows requests as a client does: as JSON, of which it reads the ``id`` and no more than it must.
"""

import json
from collections import Counter
from typing import Any, NamedTuple

from bench.harness.invariants.form import parse
from nodnod_client.messages import MAX_ID_LENGTH, MAX_INT

ECHOED = 200
"""Characters of the sender's own that an error may repeat."""

CODES = {
    *("bad_json", "bad_request", "unknown_type", "unknown_section", "duplicate_id"),
    *("no_such_stream", "too_many_streams", "forbidden", "shutting_down"),
}


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
        known = len(id_) <= MAX_ID_LENGTH
    else:
        known = isinstance(id_, int) and not isinstance(id_, bool) and abs(id_) <= MAX_INT
    stream = document.get("every") is not None and document.get("type") in (None, 0, 1)
    return Asked(text, id_ if known else None, stream)


class Ledger:
    """Takes down both sides; AssertionError where they do not agree."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[dict[str, Any]] = []

    def ask(self, text: bytes) -> None:
        """Note a request."""
        self.asked.append(read(text))

    def due(self, id_: int) -> None:
        """Note that one answer may come for which nobody has asked."""
        self.asked.append(Asked(b"", id_, stream=False))

    def answer(self, text: bytes) -> None:
        """Note an answer, which must be one in itself."""
        answer = parse(text)
        check_form(answer)
        if "code" in answer:
            said = answer["error"]
            for start in range(len(said) - ECHOED):
                window = json.dumps(said[start : start + ECHOED + 1])[1:-1].encode()
                assert all(window not in asked.text for asked in self.asked), "echoes too much"
        self.answers.append(answer)

    @property
    def finals(self) -> list[dict[str, Any]]:
        """Those answers that are no ticks of a stream."""
        return [answer for answer in self.answers if "seq" not in answer]

    def check(self, *, settled: bool = True, ticked: bool = True) -> None:
        """Nothing was answered that was not asked, or twice.

        ``settled``: and everything was; ``ticked``: and every stream has had time for a tick.
        """
        asked = Counter(one.id for one in self.asked)
        streams = Counter(one.id for one in self.asked if one.stream and one.id is not None)
        answered = Counter(answer.get("id") for answer in self.finals)
        for id_, count in answered.items():
            assert count <= asked[id_], f"{count} answers to {asked[id_]} requests with id {id_!r}"
        ticking = {answer["id"] for answer in self.answers if "seq" in answer}
        assert ticking <= set(streams), "a stream that nobody asked for"
        if not settled:
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


def check_form(answer: dict[str, Any]) -> None:
    """AssertionError unless this is an answer by its form: the fields, their order, the names."""
    fields = list(answer)
    assert fields[0] == "host"
    error = answer["error"]
    assert isinstance(error, str)
    assert isinstance(answer.get("id", 0), int | str)
    if "code" in answer:
        assert error
        assert answer["code"] in CODES
        assert answer["nodes"] == {}
    elif fields[1] == "nodes":
        assert error == ""
        for key, node in answer["nodes"].items():
            assert node["name"] == key
    tail = [field for field in ("error", "code", "done", "id", "seq") if field in answer]
    assert fields[-len(tail) :] == tail, f"out of order: {fields}"


def _integer(digits: str) -> int:
    # Longer than Python reads is too long for an id in any case.
    return int(digits) if len(digits) < 4000 else 10**4000


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
