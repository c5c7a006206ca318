import pytest

from bench.harness import pauses
from bench.harness.invariants.ground_truth import GroundTruth, KnownNode
from bench.harness.pauses import PULSE, Pauses

KENNY, KYLE = KnownNode(name="kenny"), KnownNode(name="kyle")


class Machine:
    """Its time, and for how long each process has waited for a CPU; kenny is process 1, kyle 2."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: dict[int, float] = {}
        self.truth = GroundTruth([KENNY, KYLE])
        self.running = [(KENNY, 1), (KYLE, 2)]

    def look(self, watch: Pauses, after: float) -> None:
        self.now += after
        watch.catch_up()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(pauses, "monotonic", lambda: machine.now)
    monkeypatch.setattr(pauses, "cpu_wait", lambda pid: machine.waits.get(pid, 7.0))
    return machine


@pytest.fixture
def watch(machine: Machine) -> Pauses:
    """It has looked once; this process itself is always a little late."""
    watch = Pauses(machine.truth, lambda: machine.running)
    machine.look(watch, PULSE + pauses.LEAST)
    return watch


def test_an_agent_that_waits_for_a_cpu_is_delayed(machine: Machine, watch: Pauses) -> None:
    machine.waits[1] = 7.04
    machine.look(watch, PULSE + pauses.LEAST)
    assert machine.truth.delayed(KENNY, 0.0) == pytest.approx(0.04)
    assert machine.truth.delayed(KYLE, 0.0) < 0.01


def test_the_process_that_comes_in_place_of_an_agent_did_not_wait_for_both(
    machine: Machine, watch: Pauses
) -> None:
    machine.running = [(KENNY, 3)]
    machine.waits[3] = 100.0
    machine.look(watch, PULSE + pauses.LEAST)
    assert machine.truth.delayed(KENNY, 0.0) < 0.01


def test_an_agent_that_can_hardly_run_is_as_good_as_frozen(machine: Machine, watch: Pauses) -> None:
    for seconds in (2.4, 0.2, 0.1):
        machine.waits[1] = machine.waits.get(1, 7.0) + seconds
        machine.look(watch, PULSE + pauses.LEAST)
        if seconds == 2.4:
            assert machine.truth.faults(KENNY) == []
    (frozen,) = machine.truth.faults(KENNY)
    assert (frozen.kind, frozen.until, watch.starved) == ("freeze", machine.now, 1)
    assert machine.truth.faults(KYLE) == []
    end = machine.now
    machine.look(watch, PULSE + 0.01)
    for _ in range(200):
        machine.look(watch, PULSE + pauses.LEAST)
    assert end < frozen.until < machine.now


def test_while_this_process_stands_still_all_are_delayed(machine: Machine, watch: Pauses) -> None:
    machine.look(watch, PULSE + 2.0)
    since = machine.now
    machine.look(watch, PULSE / 2)  # too early to look again
    assert machine.truth.delayed(KENNY, since - 1.0) == pytest.approx(2.0)
    assert machine.truth.delayed(KENNY, since) == 0
