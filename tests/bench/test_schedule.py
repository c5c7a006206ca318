from itertools import pairwise

import pytest

from bench.harness.schedule import ELDER, FORBIDDEN, MINOR, PROXIED, SERIOUS, schedule

AGENTS = 5


def test_the_same_seed_gives_the_same_faults_and_another_gives_others() -> None:
    assert schedule(7, 600, AGENTS) == schedule(7, 600, AGENTS)
    assert schedule(7, 600, AGENTS) != schedule(8, 600, AGENTS)


def test_a_fault_begins_every_few_seconds_and_each_kind_in_ten_minutes() -> None:
    faults = schedule(1, 600, AGENTS)
    moments = [0.0, *(fault.at for fault in faults), 600.0]
    assert max(late - early for early, late in pairwise(moments)) < 10
    assert {fault.kind for fault in faults} == {*SERIOUS, *MINOR}


@pytest.mark.parametrize("seed", range(5))
def test_serious_faults_do_not_overlap(seed: int) -> None:
    serious = [fault for fault in schedule(seed, 600, AGENTS) if fault.serious]
    assert all(a.at + a.span < b.at for a, b in pairwise(serious))


@pytest.mark.parametrize("seed", range(5))
def test_the_elder_never_ends_and_only_proxied_links_are_harmed(seed: int) -> None:
    for fault in schedule(seed, 600, AGENTS):
        assert 0 <= fault.place < AGENTS
        if fault.place == ELDER:
            assert fault.kind not in ("kill", "stop", "move")
        if fault.kind == "move":
            assert fault.place < AGENTS - PROXIED
        if "link" in fault.kind or fault.kind == "pieces":
            assert fault.place >= AGENTS - PROXIED
        assert not FORBIDDEN & set(fault.detail)
