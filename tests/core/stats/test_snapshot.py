"""The history as bytes: what comes back, and what is refused."""

import json
import random
import struct
from array import array
from collections.abc import Callable
from math import inf, nan
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodnod_agent.core.stats.history import History
from nodnod_agent.core.stats.snapshot import (
    AHEAD,
    MAX_SNAPSHOT,
    SnapshotError,
    encode_snapshot,
    restore,
)

WALL = 1_700_000_000.0
BOOTED_LATER = 5_000.0
"""The clock of the samples begins anew with the machine."""

HEAD = struct.Struct("<8sIII")


def add(history: History, first: int, count: int, skew: float = 0.0) -> None:
    """Samples of so many seconds, from the second ``first`` after WALL; ``skew`` is the clock's."""
    rng = random.Random(first)
    for second in range(first, first + count):
        value = rng.uniform(0, 100)
        history.add(second + skew, WALL + second, {"cpuUsed": value, "load1": value / 10})


def history_of(*spans: tuple[int, int]) -> History:
    history = History(1.0)
    for first, count in spans:
        add(history, first, count)
    return history


def restarted(data: bytes, second: float, interval: float = 1.0) -> History:
    """The history of a new process, so many seconds after WALL."""
    history = History(interval)
    restore(history, data, second - BOOTED_LATER, WALL + second)
    return history


@pytest.mark.parametrize("pause", [2, 7, 100, 4000])
def test_the_past_comes_back_and_the_time_between_is_a_hole(pause: int) -> None:
    whole, first = history_of((1, 5000)), history_of((1, 5000))
    history = restarted(encode_snapshot(first), 5000 + pause - 0.5)
    add(whole, 5000 + pause, 400)
    add(history, 5000 + pause, 400, skew=-BOOTED_LATER)
    for seconds in (300, 3600, 86_400):
        assert history.answer(seconds) == whole.answer(seconds)


@given(st.integers(1, 100), st.sampled_from([1, 2, 15, 61, 3599, 90_000]), st.integers(1, 30))
@settings(max_examples=30)
def test_a_restart_is_as_if_the_agent_had_stood_still(before: int, pause: int, after: int) -> None:
    whole, first = history_of((1, before)), history_of((1, before))
    history = restarted(encode_snapshot(first), before + pause - 0.25)
    add(whole, before + pause, after)
    add(history, before + pause, after, skew=-BOOTED_LATER)
    for ring, expected in zip(history.rings, whole.rings, strict=True):
        assert ring.answer(604_800) == expected.answer(604_800)


def test_a_clock_that_was_set_back_a_little_makes_no_hole() -> None:
    history = restarted(encode_snapshot(history_of((1, 100))), 100 - AHEAD + 1)
    add(history, 101, 10, skew=-BOOTED_LATER)
    points = history.answer(300)["cpuUsed"]
    assert len(points) > 100
    assert points[:100] == history_of((1, 100)).answer(300)["cpuUsed"]


def test_another_interval_keeps_the_steps_that_are_the_same() -> None:
    data = encode_snapshot(history_of((1, 5000)))
    history = restarted(data, 5010, interval=0.25)
    assert {ring.every: ring.known > 0 for ring in history.rings} == {
        **dict.fromkeys((1, 10, 60), True),
        0.25: False,
    }
    add(history, 5010, 10, skew=-BOOTED_LATER)
    answer = history.answer(3600)
    assert answer["every"] == 6.0
    assert answer["cpuUsedMax"][0] is not None
    slow = restarted(data, 5010, interval=20.0)
    assert [ring.known > 0 for ring in slow.rings] == [False, True]


def test_of_a_history_that_is_older_than_a_week_only_the_hole_is_left() -> None:
    history = restarted(encode_snapshot(history_of((1, 100))), 800_000)
    add(history, 800_000, 1, skew=-BOOTED_LATER)
    for ring in history.rings:
        points = ring.answer(604_800)["cpuUsed"]
        assert set(points[:-1]) == {None}
        assert points[-1] is not None


def test_a_history_without_samples_is_no_snapshot() -> None:
    assert encode_snapshot(History(1.0)) == b""


def test_the_largest_snapshot_is_read_again() -> None:
    history = History(0.25)
    series = {f"series {number}": 1.5 for number in range(7)}
    series |= dict.fromkeys(("cpuUsed", "memoryUsedPercent", "recvBytes", "sentBytes"), 1e12)
    for second in range(0, 700_000, 700):
        history.add(second, WALL + second, series)
    data = encode_snapshot(history)
    assert 1_400_000 < len(data) < MAX_SNAPSHOT
    assert restarted(data, 700_000, 0.25).answer(604_800) is not None


DATA = encode_snapshot(history_of((1, 700)))
BODY = HEAD.size


def sealed(body: bytes, *, version: int = 1) -> bytes:
    """A body with a right head."""
    return HEAD.pack(DATA[:8], version, len(body), crc32(body)) + body


def described(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The snapshot with another description."""
    (length,) = struct.unpack_from("<I", DATA, BODY)
    start = BODY + 4
    description = json.loads(DATA[start : start + length])
    change(description)
    text = json.dumps(description).encode()
    return sealed(struct.pack("<I", len(text)) + text + DATA[start + length :])


def with_value(value: float) -> bytes:
    """The snapshot with another newest value."""
    return sealed(DATA[BODY:-4] + array("f", [value]).tobytes())


BAD = {
    "empty": (b"", "it is empty"),
    "a text": (b"hello", "it is no history"),
    "only its magic": (DATA[:8], "it is cut off"),
    "cut in its head": (DATA[:17], "it is cut off"),
    "cut in the middle": (DATA[: len(DATA) // 2], "it is cut off: .* bytes are missing"),
    "one byte short": (DATA[:-1], "it is cut off: 1 bytes are missing"),
    "one byte more": (DATA + b"x", "damaged: its checksum"),
    "one bit": (DATA[:99] + bytes([DATA[99] ^ 1]) + DATA[100:], "damaged: its checksum"),
    "a later version": (sealed(DATA[BODY:], version=2), "of version 2, this agent reads 1"),
    "too large": (DATA + bytes(MAX_SNAPSHOT), "larger than 2000000 bytes"),
    "no description": (sealed(b"\0\0\0\0"), "its description is wrong"),
    "a long description": (sealed(b"\xff\xff\xff\xff{}"), "its description is wrong"),
    "no text": (sealed(b"\x02\0\0\0\xff\xff"), "its description is wrong"),
    "a field less": (described(lambda one: one.pop("end")), "missing required field `end`"),
    "NaN as time": (described(lambda one: one.update(end=nan)), "its description is wrong"),
    "an endless time": (described(lambda one: one.update(end=inf)), "its description is wrong"),
    "a time below 0": (described(lambda one: one.update(end=-1)), "its description is wrong"),
    "no step": (described(lambda one: one["rings"][0].update(every=0)), "description is wrong"),
    "a slot in the future": (
        described(lambda one: one["rings"][0].update(ahead=3600)),
        "description is wrong",
    ),
    "more slots": (
        described(lambda one: one["rings"][0].update(known=701)),
        "its description and its size differ",
    ),
    "a ring less": (described(lambda one: one["rings"].pop()), "and its size differ"),
    "infinity": (with_value(inf), "its load1 has a value that cannot be"),
    "below 0": (with_value(-5.0), "its load1 has a value that cannot be"),
    "from the future": (
        described(lambda one: one.update(end=WALL + 700 + 3600)),
        "from the future, 3600 s ahead",
    ),
}


@pytest.mark.parametrize(("data", "why"), BAD.values(), ids=BAD.keys())
def test_what_is_no_good_snapshot_is_refused_and_changes_nothing(data: bytes, why: str) -> None:
    history = History(1.0)
    with pytest.raises(SnapshotError, match=why):
        restore(history, data, 10.0, WALL + 700)
    assert [ring.known for ring in history.rings] == [0, 0, 0]


@given(st.binary(max_size=400))
def test_any_bytes_with_a_right_head_are_refused_or_leave_a_history_that_can_answer(
    body: bytes,
) -> None:
    history = History(1.0)
    try:
        restore(history, sealed(body), 10.0, WALL)
    except SnapshotError:
        return
    history.add(11.0, WALL + 1, {"cpuUsed": 1.0})
    assert history.answer(604_800)["cpuUsed"][-1] == 1.0


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    data = bytearray(DATA)
    data[at] ^= change
    with pytest.raises(SnapshotError):
        restore(History(1.0), bytes(data), 10.0, WALL + 700)
