"""The history as bytes, to be kept over a restart, and back.

A head of fixed size (magic, version, length and checksum of the rest), the length of a description
in JSON, the description, and then the slots of each series as 4-byte floats, little-endian, oldest
first. NaN is a slot without a value; anything else that no history can hold is refused.
"""

import struct
import sys
from array import array
from math import inf, nan
from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from nodnod_agent.core.stats.history import History, HistoryRing
from nodnod_client.codec import encode

MAX_SNAPSHOT = 2_000_000
"""Bytes of the largest snapshot that is read."""

AHEAD = 5.0
"""Seconds by which a snapshot may be newer than the wall clock."""

MAX_AHEAD = 2
"""Slots between the newest sample and the center of its slot; half a slot is usual."""

MAGIC = b"\x93nodnod\n"
VERSION = 1

_HEAD = struct.Struct("<8sIII")  # magic, version, length of the rest, its CRC-32
_LENGTH = struct.Struct("<I")

_Number = Annotated[float, Meta(ge=0, le=1e300)]
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class SnapshotError(Exception):
    """Says why bytes are no snapshot, or none that can be used."""


class _SavedSeries(Struct):
    """``total`` and ``count`` are of the samples of the newest slot."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    total: _Number
    count: _Count
    highest: bool


class _SavedRing(Struct):
    """``ahead``: from the newest sample to the center of its slot, in seconds."""

    every: Annotated[float, Meta(gt=0, le=604_800)]
    known: Annotated[int, Meta(ge=1, le=1_000_000)]
    ahead: float
    series: Annotated[list[_SavedSeries], Meta(max_length=64)]


class _Description(Struct):
    """``end`` is the Unix time of the newest sample."""

    end: _Number
    rings: Annotated[list[_SavedRing], Meta(max_length=16)]


_description = msgspec.json.Decoder(_Description)


def encode_snapshot(history: History) -> bytes:
    """The snapshot of a history; empty if there is nothing to keep."""
    rings = [ring for ring in history.rings if ring.known]
    if not rings:
        return b""
    slots = bytearray()
    saved = []
    for ring in rings:
        series = []
        for name, one in ring.series.items():
            series.append(_SavedSeries(name, one.total, one.count, one.highest is not None))
            slots += _to_bytes(ring.last(one.means, ring.known))
            if one.highest is not None:
                slots += _to_bytes(ring.last(one.highest, ring.known), hole=-1.0)
        saved.append(_SavedRing(ring.every, ring.known, ring.due - ring.clock, series))
    described = encode(_Description(max(ring.end for ring in rings), saved))
    length = _LENGTH.pack(len(described))
    checksum = crc32(slots, crc32(described, crc32(length)))
    size = len(length) + len(described) + len(slots)
    return b"".join((_HEAD.pack(MAGIC, VERSION, size, checksum), length, described, slots))


def restore(history: History, data: bytes, clock: float, unix: float) -> float:
    """Put a snapshot into a history without samples; the Unix time of its newest sample.

    ``clock`` and ``unix`` are now, by the clocks of ``Sample``: by the wall clock, the time between
    is a gap. Rings of another step than those of ``history`` are left out. Raises SnapshotError, and
    then changes nothing.
    """
    description, arrays = _decode(data)
    if description.end > unix + AHEAD:
        raise SnapshotError(f"it is from the future, {description.end - unix:.0f} s ahead")
    elapsed = max(0.0, unix - description.end)
    rings = {ring.every: ring for ring in history.rings}
    for saved in description.rings:
        parts = [arrays.pop(0) for one in saved.series for _ in range(1 + one.highest)]
        ring = rings.get(saved.every)
        if ring is not None:
            _fill(ring, saved, parts)
            ring.end = description.end
            ring.clock = clock - elapsed
            ring.due = ring.clock + saved.ahead
    return description.end


def _decode(data: bytes) -> tuple[_Description, list["array[float]"]]:
    """The description, and the arrays of all series in their order."""
    if len(data) > MAX_SNAPSHOT:
        raise SnapshotError(f"it is larger than {MAX_SNAPSHOT} bytes")
    if data[: len(MAGIC)] != MAGIC:
        raise SnapshotError("it is no history" if data else "it is empty")
    if len(data) < _HEAD.size + _LENGTH.size:
        raise SnapshotError("it is cut off")
    _, version, size, checksum = _HEAD.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(f"it is of version {version}, this agent reads {VERSION}")
    rest = memoryview(data)[_HEAD.size :]
    if len(rest) < size:
        raise SnapshotError(f"it is cut off: {size - len(rest)} bytes are missing")
    if len(rest) > size or crc32(rest) != checksum:
        raise SnapshotError("it is damaged: its checksum is wrong")
    (length,) = _LENGTH.unpack_from(rest)
    slots = rest[_LENGTH.size :][length:]
    try:
        description = _description.decode(rest[_LENGTH.size :][:length])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SnapshotError(f"its description is wrong: {error}") from None
    counts = [
        (ring.known, one.name)
        for ring in description.rings
        for one in ring.series
        for _ in range(1 + one.highest)
    ]
    if any(abs(ring.ahead) > MAX_AHEAD * ring.every for ring in description.rings):
        raise SnapshotError("its description is wrong: a newest slot far from the newest sample")
    if 4 * sum(count for count, _ in counts) != len(slots):
        raise SnapshotError("its description and its size differ")
    arrays = []
    for count, name in counts:
        arrays.append(_from_bytes(slots[: 4 * count], name))
        slots = slots[4 * count :]
    return description, arrays


def _fill(ring: HistoryRing, saved: _SavedRing, parts: list["array[float]"]) -> None:
    """Put the series of a saved ring into one of the same step."""
    ring.known = kept = min(saved.known, ring.slots)
    ring.newest = kept - 1
    for one in saved.series:
        series = ring.series[one.name] = ring.new_series(one.name)
        series.total, series.count = one.total, one.count
        means = parts.pop(0)[-kept:]
        highest = parts.pop(0)[-kept:] if one.highest else means
        series.means[:kept] = means
        if series.highest is not None:
            # A ring of single samples has none of its own.
            series.highest[:kept] = array("f", [-1.0 if top != top else top for top in highest])


def _to_bytes(values: "array[float]", hole: float = nan) -> bytes:
    if hole == hole:
        values = array("f", [nan if value == hole else value for value in values])
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _from_bytes(data: memoryview, name: str) -> "array[float]":
    values = array("f")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    known = [value for value in values if value == value]
    if known and not 0 <= min(known) <= max(known) < inf:
        raise SnapshotError(f"its {name} has a value that cannot be")
    return values
