"""Cuts node objects and the nodes of answers to the size that their receiver accepts.

The stats always stay. The parts of the detail, and the history, share the room that is left: small
ones stay whole, and the others get equal shares. A section keeps its most important rows, in the
order in which they were sent, and the last of them says how many are missing: ``"truncated"``. A
history keeps its newest points.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nodnod_client.codec import decode, decode_fields, decode_items, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import MAX_MESSAGE, FullStats

ENVELOPE = 4096
"""Bytes of a message around a node object or a list, at most: names, an id, an own entry."""

ANSWER_LIMIT = MAX_MESSAGE - ENVELOPE
"""Bytes of an answer without its id."""

_MARK = 32
"""Bytes of a ``truncated`` field, at most."""

MAX_DIGITS = 15

_TOO_LARGE = encode({"error": "left out: too large for this answer"})

_STATS = frozenset(field.encode_name for field in msgspec.structs.fields(FullStats))

_KEY = re.compile(rb'"(?:[^"\\]|\\.)*":')

_NUMBERS = re.compile(rb"\[[-+.,0-9 eEnul]*\]")


class _Row(Struct, rename="camel"):
    """The fields of a row that tell how important it is; ``truncated`` of an earlier cut."""

    counted: bool = False
    used_percent: float | None = None
    total: float = 0
    recv_bytes: float = 0
    sent_bytes: float = 0
    read_bytes: float = 0
    write_bytes: float = 0
    truncated: int = 0

    @property
    def rank(self) -> tuple[float, ...]:
        """Counted filesystems come first, the fullest of them at the top; then what is largest."""
        fullness = (self.used_percent or 0.0) if self.counted else 0.0
        traffic = self.recv_bytes + self.sent_bytes + self.read_bytes + self.write_bytes
        return self.counted, fullness, self.total, traffic


_rows = msgspec.json.Decoder(list[_Row])
_named_rows = msgspec.json.Decoder(dict[str, _Row])


def fit_nodes(nodes: Sequence[bytes], limit: int) -> list[bytes]:
    """The nodes of an answer in at most ``limit`` bytes, as far as detail and history allow.

    Each is its key, a colon and its object.
    """
    share = _share(nodes, limit - sum(map(len, nodes)) - len(nodes))
    return [node if len(node) <= share else _fit_named(node, share) for node in nodes]


def fit_node(node: bytes, limit: int) -> bytes:
    """A node object in at most ``limit`` bytes, as far as detail and history allow.

    Raises WireError if it is not valid.
    """
    if len(node) <= limit:
        return node
    fields = decode_fields(node)
    more = {name: bytes(value) for name, value in fields.items() if name not in _STATS}
    detail = more.pop("detail", b"")
    sections = {name: bytes(raw) for name, raw in decode_fields(detail or b"{}").items()}
    share = _share((*sections.values(), *more.values()), limit - len(node))
    fitted: dict[str, Any] = {name: Raw(fit_history(raw, share)) for name, raw in more.items()}
    if detail:
        fitted["detail"] = {name: Raw(fit_section(raw, share)) for name, raw in sections.items()}
    return encode(fields | fitted)


def fit_section(section: bytes, limit: int) -> bytes:
    """A section in at most ``limit`` bytes; an error instead if nothing of it can stay."""
    if len(section) <= limit:
        return section
    try:
        if section[:1] == b"[":
            rows = decode_items(section)
            fitted = _fit_rows(section, [b""] * len(rows), rows, limit)
        else:
            fields = decode_fields(section)
            if all(bytes(value)[:1] == b"{" for value in fields.values()):
                keys = [encode(name) + b":" for name in fields]
                fitted = _fit_rows(section, keys, list(fields.values()), limit)
            else:
                fitted = _fit_lists(section, fields, limit)
    except WireError:  # it is a peer's
        return _TOO_LARGE
    return fitted if len(fitted) <= limit else _TOO_LARGE


def fit_history(history: bytes, limit: int) -> bytes:
    """A history in at most ``limit`` bytes: the newest points of each series."""
    if len(history) <= limit:
        return history
    try:
        fields = decode_fields(history)
    except WireError:
        return _TOO_LARGE
    lists = {name: bytes(raw) for name, raw in fields.items() if bytes(raw)[:1] == b"["}
    if not all(map(_NUMBERS.fullmatch, lists.values())):
        return _TOO_LARGE
    points = max((raw.count(b",") + 1 for raw in lists.values()), default=0)
    size = sum(map(len, lists.values()))
    room = limit - _MARK - len(history) + size
    kept = points * room // size if size and room > 0 else 0
    while kept:
        newest = {name: _last(raw, kept) for name, raw in lists.items()}
        if sum(map(len, newest.values())) <= room:
            fields |= {name: Raw(raw) for name, raw in newest.items()}
            return _marked(fields, points - kept)
        kept = kept * 9 // 10
    return _TOO_LARGE


def _fit_rows(section: bytes, keys: Sequence[bytes], rows: Sequence[Raw], limit: int) -> bytes:
    """A section of rows, which are objects in a list or by name; ``keys`` stand before them."""
    ranks = _ranks(section, len(rows))
    texts = [
        key + (_unmarked(row) if rank.truncated else bytes(row))
        for key, row, rank in zip(keys, rows, ranks, strict=True)
    ]
    kept = _most_important(texts, ranks, limit - _MARK)
    if not kept or texts[kept[-1]][-1:] != b"}" or texts[kept[-1]][-2:] == b"{}":
        return _TOO_LARGE
    left_out = len(rows) - len(kept) + sum(rank.truncated for rank in ranks)
    chosen = [texts[place] for place in kept]
    chosen[-1] = b'%b,"truncated":%d}' % (chosen[-1][:-1], left_out)
    return b"%b%b%b" % (section[:1], b",".join(chosen), section[-1:])


def _fit_lists(section: bytes, fields: dict[str, Raw], limit: int) -> bytes:
    """A section of which some fields are lists: of each of these the first items."""
    lists = {name: bytes(raw) for name, raw in fields.items() if bytes(raw)[:1] == b"["}
    share = _share(lists.values(), limit - _MARK - len(section))
    left_out = 0
    for name, raw in lists.items():
        if len(raw) > share:
            items = [bytes(item) for item in decode_items(raw)]
            kept = _most_important(items, [_Row()] * len(items), share)
            left_out += len(items) - len(kept)
            fields[name] = Raw(b"[%b]" % b",".join(items[place] for place in kept))
    return _marked(fields, left_out)


def _most_important(texts: Sequence[bytes], ranks: Sequence[_Row], room: int) -> list[int]:
    """The places of the most important rows that have room together, with brackets and commas."""
    left, kept = room - 1, []
    for place in sorted(range(len(texts)), key=lambda place: ranks[place].rank, reverse=True):
        size = len(texts[place]) + 1
        if size <= left:
            left -= size
            kept.append(place)
    return sorted(kept)


def _ranks(section: bytes, count: int) -> Sequence[_Row]:
    """What decides about each row; alike for all rows if one is not as expected."""
    try:
        if section[:1] == b"[":
            return decode(_rows, section)
        return list(decode(_named_rows, section).values())
    except WireError:
        return [_Row()] * count


def _share(parts: Iterable[bytes], more: int) -> int:
    """The largest size of a part with which all parts have room: ``more`` than theirs, or less."""
    sizes = sorted(map(len, parts))
    room = max(0, more + sum(sizes))
    for place, size in enumerate(sizes):
        left = len(sizes) - place
        if size * left > room:
            return room // left
        room -= size
    return MAX_MESSAGE


def _last(numbers: bytes, count: int) -> bytes:
    """The last items of a list of numbers."""
    older = numbers.count(b",") + 1 - count
    return b"[" + numbers.split(b",", older)[-1] if older > 0 else numbers


def _marked(fields: dict[str, Raw], left_out: int) -> bytes:
    earlier = bytes(fields.get("truncated", b"0"))
    if earlier.isdigit() and len(earlier) <= MAX_DIGITS:
        left_out += int(earlier)
    return encode(fields | {"truncated": left_out})


def _unmarked(row: Raw) -> bytes:
    fields = decode_fields(bytes(row))
    fields.pop("truncated", None)
    return encode(fields)


def _fit_named(node: bytes, limit: int) -> bytes:
    key = _KEY.match(node)
    start = key.end() if key else 0
    try:
        return node[:start] + fit_node(node[start:], limit - start)
    except WireError:  # its detail is no object
        return node
