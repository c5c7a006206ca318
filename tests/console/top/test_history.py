"""Means of time slots, and the cells drawn of them."""

import pytest

from nodnod_agent.console.top.history import (
    SLOTS,
    RecentHistory,
    downsample,
    parse_history,
    slot_length,
)
from nodnod_client.messages import History

CPU = 0


def recent(**values: float) -> RecentHistory:
    """A history with this CPU at these times: ``t12=50``."""
    result = RecentHistory(5.0)
    for moment, value in values.items():
        result.add(float(moment[1:]), (value, 0.0, 0.0))
    return result


def test_a_slot_is_the_mean_of_its_samples_or_unknown() -> None:
    assert recent(t300=10, t301=20, t304=60).cells(CPU, SLOTS, 304)[-1] == pytest.approx(30)
    assert recent(t300=10, t311=20).cells(CPU, SLOTS, 311)[-3:] == [10, None, 20]


def test_cells_move_as_time_passes() -> None:
    some = recent(t300=10)
    assert some.cells(CPU, SLOTS, 304).index(10) == SLOTS - 1
    assert some.cells(CPU, SLOTS, 309).index(10) == SLOTS - 2


def test_samples_older_than_all_slots_are_forgotten() -> None:
    some = recent(t0=10, t300=20)
    assert 10 not in some.cells(CPU, SLOTS, 304)
    assert len(some._means) == 1


@pytest.mark.parametrize(("width", "cells"), [(60, 60), (30, 30), (20, 20), (12, 12), (45, 30)])
def test_fewer_cells_are_means_of_several_slots(width: int, cells: int) -> None:
    some = recent(**{f"t{second}": 40.0 for second in range(600)})
    assert some.cells(CPU, width, 599.0) == [40.0] * cells


def test_drawn_cells_only_move() -> None:
    some = recent(**{f"t{second}": float(second * 7 % 100) for second in range(0, 600, 5)})
    before = some.cells(CPU, 12, 599.0)
    some.add(600.0, (0.0, 0.0, 0.0))
    assert some.cells(CPU, 12, 600.0)[:-1] == before[1:]


def test_a_backfill_adds_earlier_cells_and_changes_no_later_ones() -> None:
    some = recent(t300=10)
    history = History(every=1.0, end=9e9, cpu_used=[50.0] * 30, memory_used_percent=[1.0] * 30)
    some.backfill(300.0, history)
    assert some.cells(CPU, SLOTS, 300)[-7:] == [50, 50, 50, 50, 50, 50, 10]
    assert some.cells(1, SLOTS, 300)[-2] == 1.0
    assert some.cells(2, SLOTS, 300)[-2] is None
    some = recent(t300=10)
    some.backfill(300.0, History(every=5.0, end=0.0, cpu_used=[7.0, None, 8.0, 9.0]))
    assert some.cells(CPU, SLOTS, 300)[-4:] == [7, None, 8, 10]


def test_a_backfill_of_rare_points_leaves_no_holes() -> None:
    some = recent(t300=10)
    some.backfill(300.0, History(every=10.0, end=0.0, cpu_used=[7.0, 8.0]))
    assert some.cells(CPU, SLOTS, 300)[-4:] == [7, 7, 8, 10]


@pytest.mark.parametrize(("every", "slot"), [(0.25, 5.0), (1.0, 5.0), (60.0, 60.0)])
def test_every_slot_gets_at_least_one_answer(every: float, slot: float) -> None:
    assert slot_length(every) == slot


@pytest.mark.parametrize(
    "raw", [None, 7, [], {}, {"every": "x", "end": 1}, {"every": 0, "end": 1}, {"every": 1}]
)
def test_an_invalid_history_is_ignored(raw: object) -> None:
    assert parse_history(raw) is None


@pytest.mark.parametrize(
    ("values", "width", "newest", "expected"),
    [
        ([1.0, 2.0], 5, 1, [1, 2]),
        ([], 5, 0, []),
        ([1.0, 3.0, 5.0, 7.0], 2, 3, [2, 6]),
        ([None, None, 5.0, None], 2, 3, [None, 5]),
    ],
)
def test_values_are_downsampled_to_a_width(
    values: list[float | None], width: int, newest: int, expected: list[float | None]
) -> None:
    assert downsample(values, width, newest) == expected
