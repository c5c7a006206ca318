"""What the benchmark of agents over NATS makes of its measurements."""

import os
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backplane.servers import program
from bench.backplane import Cluster, Usage, cpu_of_tick, text_of, usage
from doubles.command import command

SCRIPT = Path(__file__).parents[2] / "bench" / "backplane.py"


class Process(NamedTuple):
    """As much of an agent, or of the made-up ones, as figures need."""

    pid: int


VIEWER, REGISTRAR, ONE, OTHER = (Process(pid) for pid in (1, 2, 3, 4))
CROWD = Process(9)


def cluster(size: int, agents: list[Any], registrars: list[Any], crowd: Any = None) -> Cluster:
    return Cluster(size, agents, agents[0], registrars, 4222, crowd)


def used(*cpu: float) -> Usage:
    """CPU of the processes from the first on."""
    return Usage(dict(enumerate(cpu, 1)), {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nan, ""),
        (0.0, "0"),
        (0.01234, "0.0123"),
        (12.345, "12.3"),
        (99.94, "99.9"),
        (100.4, "100"),
        (1234567.8, "1,234,568"),
    ],
)
def test_a_figure_has_three_digits_and_a_missing_one_none(value: float, text: str) -> None:
    assert text_of(value) == text


def test_agents_that_are_asked_or_registrars_are_not_among_the_others() -> None:
    four = cluster(4, [VIEWER, REGISTRAR, ONE, OTHER], [REGISTRAR])
    assert four.others == [ONE, OTHER]


def test_the_process_of_the_made_up_agents_is_the_last() -> None:
    assert cluster(2, [VIEWER, ONE], []).pids == [1, 3]
    assert cluster(100, [VIEWER, ONE], [], CROWD).pids == [1, 3, 9]


def test_usage_is_the_mean_of_those_asked_for_and_the_sum_of_all() -> None:
    usage = Usage({1: 0.5, 3: 0.25, 4: 0.75}, {1: 8.0, 3: 100.0, 4: 300.0})
    assert usage.all == 1.5
    assert (usage.of([ONE, OTHER]), usage.bytes_of([ONE, OTHER])) == (0.5, 200.0)


def test_there_is_no_usage_of_nobody_and_no_bytes_that_were_not_counted() -> None:
    usage = Usage({1: 0.5}, {})
    assert isnan(usage.of([]))
    assert isnan(usage.bytes_of([]))
    assert isnan(usage.bytes_of([VIEWER]))


def test_a_tick_costs_what_all_agents_take_more_than_unwatched() -> None:
    four = cluster(4, [VIEWER, REGISTRAR, ONE, OTHER], [REGISTRAR])
    quiet, watched = used(0.25, 0.125, 0.0, 0.5), used(0.75, 0.25, 0.25, 1.0)
    assert cpu_of_tick(four, quiet, watched) == 0.5 + 0.125 + 0.25 + 0.5


def test_a_made_up_agent_counts_for_a_tick_as_another_real_one() -> None:
    thousand = cluster(1000, [VIEWER, REGISTRAR, ONE, OTHER], [REGISTRAR], CROWD)
    quiet, watched = used(0.0, 0.0, 0.0, 0.0), used(0.5, 0.25, 0.5, 1.0)
    assert cpu_of_tick(thousand, quiet, watched) == 0.5 + 0.25 + 998 * 0.75


def test_a_mesh_of_two_has_no_registrars_in_the_cost_of_a_tick() -> None:
    two = cluster(2, [VIEWER, REGISTRAR], [])
    assert cpu_of_tick(two, used(0.0, 0.0), used(0.5, 0.25)) == 0.75


async def test_without_ss_the_cpu_is_measured_and_the_bytes_are_not(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    measured = await usage([os.getpid()], None, 0.01)
    assert (list(measured.cpu), measured.bytes) == ([os.getpid()], {})


def test_without_clusters_agents_that_know_no_other_are_measured() -> None:
    program()
    with command([str(SCRIPT), "--agents", "--settle", "0.3", "--seconds", "0.1"]) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    _, head, *rows = filter(None, output.splitlines())
    assert head.split() == ["alone"]
    assert [row.rpartition(", ")[0] for row in rows] == [
        "CPU of each other, unwatched",
        "RSS of each other",
    ]
