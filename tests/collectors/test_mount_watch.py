import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nodnod_agent.collectors.mount_watch import HAND_OVER, STUCK_AFTER, MountWatch, Usage, measure
from nodnod_agent.collectors.mounts import Mount

USAGE = Usage(100, 40, 50, 1.0)
PATIENCE = 10.0


class Mounts:
    """A fake ``statvfs``: each call is counted, and hangs while its mount is held."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, Usage | OSError] = {}
        self._gates: dict[str, threading.Event] = {}
        self._changed = threading.Condition()
        self._done = 0

    def __call__(self, point: str) -> Usage:
        with self._changed:
            self.calls.append(point)
            gate = self._gates.get(point)
            self._changed.notify_all()
        if gate is not None:
            assert gate.wait(PATIENCE)
        answer = self.answers.get(point, USAGE)
        if isinstance(answer, OSError):
            raise answer
        return answer

    @contextmanager
    def held(self, *points: str) -> Iterator[None]:
        for point in points:
            self._gates[point] = threading.Event()
        try:
            yield
        finally:
            for point in points:
                self._gates.pop(point).set()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A watch over fake mounts, on a fake clock; ``wall`` is 500,000 ahead of it."""

    def __init__(self, *points: str) -> None:
        self.clock = Clock()
        self.mounts = Mounts()
        self.watch = MountWatch(self.mounts, self.clock, lambda: self.clock() + 500_000)
        self.points = list(points)
        self.show(*points)

    def show(self, *points: str) -> None:
        self.watch.watch([Mount(point, "/dev/x", "ext4", f"8:{point}", True) for point in points])

    def round(self, *, expect: int) -> None:
        """One round that leads to so many calls; returns once the last of them has begun."""
        before = len(self.mounts.calls)
        self.watch.refresh()
        self.mounts.wait_for(lambda: len(self.mounts.calls) >= before + expect)

    def settle(self, *points: str) -> None:
        """Rounds until these mounts have answered."""
        done = threading.Event()
        for _ in range(1000):
            self.watch.refresh()
            known = {seen.mount.point for seen in self.watch.seen() if seen.usage or seen.error}
            if known >= set(points):
                return
            done.wait(0.005)
        raise AssertionError(f"no answer from {points}")

    def seen(self) -> dict[str, tuple[Usage | None, float | None, str]]:
        return {s.mount.point: (s.usage, s.stuck_since, s.error) for s in self.watch.seen()}


@pytest.fixture
def readers() -> Callable[[], int]:
    """How many threads read mounts now, beyond those of other tests."""

    def count() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "nodnod-mounts"]

    others = set(count())
    return lambda: len(set(count()) - others)


def test_a_mount_that_answers_is_known_after_a_round() -> None:
    bench = Bench("/")
    bench.settle("/")
    assert bench.seen() == {"/": (USAGE, None, "")}
    bench.watch.stop()


def test_one_thread_serves_all_mounts_that_answer(readers: Callable[[], int]) -> None:
    points = [f"/{n}" for n in range(50)]
    bench = Bench(*points)
    for _ in range(5):
        bench.settle(*points)
    assert readers() == 1
    bench.watch.stop()


def test_a_stuck_mount_does_not_keep_the_others_from_being_read(readers: Callable[[], int]) -> None:
    bench = Bench("/stuck", "/a", "/b")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        assert bench.seen()["/a"] == (None, None, ""), "the first round is held"
        bench.clock.now += HAND_OVER
        bench.settle("/a", "/b")
        assert readers() == 2
        bench.watch.stop()


def test_a_mount_has_at_most_one_call_under_way(readers: Callable[[], int]) -> None:
    bench = Bench("/stuck", "/a")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        for _ in range(20):
            bench.clock.now += 1
            bench.round(expect=1)
        assert bench.mounts.calls.count("/stuck") == 1
        assert readers() == 2, "one stuck, one reading the rest"
        bench.watch.stop()


def test_several_stuck_mounts_take_a_thread_each_and_no_more(readers: Callable[[], int]) -> None:
    stuck = ["/1", "/2", "/3"]
    bench = Bench(*stuck, "/a")
    with bench.mounts.held(*stuck):
        bench.round(expect=1)
        for _ in range(3):
            bench.clock.now += 1
            bench.round(expect=1)
        for _ in range(10):
            bench.clock.now += 1
            bench.round(expect=1)
        bench.settle("/a")
        assert sorted(set(bench.mounts.calls)) == ["/1", "/2", "/3", "/a"]
        assert readers() == 4
        bench.watch.stop()


def test_stuck_since_is_when_the_call_began_and_comes_after_two_seconds() -> None:
    bench = Bench("/stuck")
    bench.settle("/stuck")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        bench.clock.now += STUCK_AFTER - 0.1
        assert bench.seen()["/stuck"] == (USAGE, None, "")
        bench.clock.now += 0.1
        assert bench.seen()["/stuck"] == (USAGE, 501_000.0, ""), "the last good usage is kept"
        bench.clock.now += 3600
        assert bench.seen()["/stuck"][1] == 501_000.0
        bench.watch.stop()


def test_a_mount_that_answers_again_recovers_and_its_thread_ends(
    readers: Callable[[], int],
) -> None:
    bench = Bench("/stuck", "/a")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        bench.clock.now += STUCK_AFTER
        bench.settle("/a")
        old = [thread for thread in threading.enumerate() if thread.name == "nodnod-mounts"]
        bench.mounts.answers["/stuck"] = Usage(7, 7, 0, None)
    bench.settle("/stuck")
    assert bench.seen()["/stuck"] == (Usage(7, 7, 0, None), None, "")
    bench.watch.stop()
    for thread in old:
        thread.join(PATIENCE)
    assert readers() == 0


def test_a_call_that_takes_long_but_returns_starts_no_second_thread(
    readers: Callable[[], int],
) -> None:
    bench = Bench("/slow", "/a")
    with bench.mounts.held("/slow"):
        bench.round(expect=1)
        bench.clock.now += HAND_OVER / 2
        bench.watch.refresh()
    bench.settle("/slow", "/a")
    assert readers() == 1
    bench.watch.stop()


def test_a_failing_mount_says_so_and_keeps_its_last_numbers() -> None:
    bench = Bench("/nfs")
    bench.settle("/nfs")
    bench.mounts.answers["/nfs"] = OSError(116, "Stale file handle")
    for _ in range(2):  # the second call begins when the first has ended
        bench.round(expect=1)
    assert bench.seen()["/nfs"] == (USAGE, None, "Stale file handle")
    bench.watch.stop()


def test_a_mount_that_this_user_may_not_see_is_passed_over() -> None:
    bench = Bench("/secret", "/a")
    bench.mounts.answers["/secret"] = PermissionError(13, "Permission denied")
    bench.settle("/a")
    assert bench.seen()["/secret"] == (None, None, "")
    bench.watch.stop()


def test_a_mount_that_vanishes_is_forgotten_and_one_that_appears_is_read() -> None:
    bench = Bench("/", "/old")
    bench.settle("/", "/old")
    bench.show("/", "/new")
    assert bench.seen() == {"/": (USAGE, None, ""), "/new": (None, None, "")}
    bench.settle("/new")
    bench.watch.stop()


def test_a_mount_that_vanishes_while_stuck_does_not_stop_its_successor() -> None:
    bench = Bench("/stuck")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        bench.show()
        bench.clock.now += 1
        bench.show("/stuck")
        bench.round(expect=1)
        assert bench.mounts.calls == ["/stuck", "/stuck"]
        bench.watch.stop()


def test_stopping_waits_for_no_stuck_mount_and_begins_no_round() -> None:
    bench = Bench("/stuck")
    with bench.mounts.held("/stuck"):
        bench.round(expect=1)
        bench.watch.stop()
        bench.clock.now += 1
        bench.watch.refresh()
        assert bench.mounts.calls == ["/stuck"]


def test_measuring_a_real_mount_agrees_with_itself() -> None:
    usage = measure("/")
    assert usage.total >= usage.used + usage.free > 0
    assert usage.inodes_used_percent is None or 0 <= usage.inodes_used_percent <= 100
