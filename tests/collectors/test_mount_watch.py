import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nodnod_agent.collectors.mount_watch import (
    STUCK_AFTER,
    TAKE_OVER_AFTER,
    FilesystemUsage,
    MountWatch,
    measure,
)
from nodnod_agent.collectors.mounts import Mount

USAGE = FilesystemUsage(100, 40, 50, 1.0)
TIMEOUT = 10.0


class FakeStatvfs:
    """Records each call. A call hangs while its mount is held."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, FilesystemUsage | OSError] = {}
        self._releases: dict[str, threading.Event] = {}
        self._changed = threading.Condition()

    def __call__(self, point: str) -> FilesystemUsage:
        with self._changed:
            self.calls.append(point)
            release = self._releases.get(point)
            self._changed.notify_all()
        if release is not None:
            assert release.wait(TIMEOUT)
        answer = self.answers.get(point, USAGE)
        if isinstance(answer, OSError):
            raise answer
        return answer

    @contextmanager
    def held(self, *points: str) -> Iterator[None]:
        for point in points:
            self._releases[point] = threading.Event()
        try:
            yield
        finally:
            for point in points:
                self._releases.pop(point).set()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT)


class WatchHarness:
    """A watch over fake mounts with a fake clock; the wall clock is 500,000 s ahead of it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.statvfs = FakeStatvfs()
        self.watch = MountWatch(self.statvfs, lambda: self.now, lambda: self.now + 500_000)
        self._other_readers = set(self.reader_threads())

    def reader_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "nodnod-mounts"]

    def readers(self) -> int:
        """The number of threads of this watch that read mounts."""
        return len(set(self.reader_threads()) - self._other_readers)

    def mount(self, *points: str) -> None:
        self.watch.watch([Mount(point, "/dev/x", "ext4", f"8:{point}", True) for point in points])

    def round(self, *, after: float = 0.0, calls: int = 1) -> None:
        """Start a round ``after`` seconds; wait until it has begun so many calls."""
        self.now += after
        before = len(self.statvfs.calls)
        self.watch.refresh()
        self.statvfs.wait_for(lambda: len(self.statvfs.calls) >= before + calls)

    def read_all(self, *points: str) -> None:
        """Run rounds until these mounts have answered."""
        pause = threading.Event()
        for _ in range(1000):
            self.watch.refresh()
            answered = {
                state.mount.point for state in self.watch.states() if state.usage or state.error
            }
            if answered >= set(points):
                return
            pause.wait(0.005)
        raise AssertionError(f"no answer from {points}")

    def states(self) -> dict[str, tuple[FilesystemUsage | None, float | None, str]]:
        return {s.mount.point: (s.usage, s.stuck_since, s.error) for s in self.watch.states()}


@pytest.fixture
def harness() -> Iterator[WatchHarness]:
    harness = WatchHarness()
    yield harness
    harness.watch.stop()


def test_one_thread_reads_all_mounts_that_answer(harness: WatchHarness) -> None:
    points = [f"/{n}" for n in range(50)]
    harness.mount(*points)
    for _ in range(5):
        harness.read_all(*points)
    assert harness.states() == dict.fromkeys(points, (USAGE, None, ""))
    assert harness.readers() == 1


def test_a_stuck_mount_delays_the_others_by_one_round(harness: WatchHarness) -> None:
    harness.mount("/stuck", "/a", "/b")
    with harness.statvfs.held("/stuck"):
        harness.round()
        assert harness.states()["/a"] == (None, None, ""), "the first round is delayed"
        harness.now += TAKE_OVER_AFTER
        harness.read_all("/a", "/b")
        assert harness.readers() == 2
        harness.watch.stop()


@pytest.mark.parametrize("stuck", [["/stuck"], ["/1", "/2", "/3"]])
def test_each_stuck_mount_takes_one_thread_and_has_one_call(
    harness: WatchHarness, stuck: list[str]
) -> None:
    harness.mount(*stuck, "/a")
    with harness.statvfs.held(*stuck):
        harness.round()
        for _ in range(20):
            harness.round(after=1)
        harness.read_all("/a")
        assert [harness.statvfs.calls.count(point) for point in stuck] == [1] * len(stuck)
        assert harness.readers() == len(stuck) + 1, "one more reads the other mounts"
        harness.watch.stop()


def test_stuck_since_is_the_time_of_the_call_and_is_set_after_two_seconds(
    harness: WatchHarness,
) -> None:
    harness.mount("/stuck")
    harness.read_all("/stuck")
    with harness.statvfs.held("/stuck"):
        harness.round()
        harness.now += STUCK_AFTER - 0.1
        assert harness.states()["/stuck"] == (USAGE, None, "")
        harness.now += 0.1
        assert harness.states()["/stuck"] == (USAGE, 501_000.0, ""), "the last usage is kept"
        harness.now += 3600
        assert harness.states()["/stuck"][1] == 501_000.0
        harness.watch.stop()


def test_a_mount_that_answers_again_recovers_and_its_thread_ends(harness: WatchHarness) -> None:
    harness.mount("/stuck", "/a")
    with harness.statvfs.held("/stuck"):
        harness.round()
        harness.now += STUCK_AFTER
        harness.read_all("/a")
        threads = harness.reader_threads()
        harness.statvfs.answers["/stuck"] = FilesystemUsage(7, 7, 0, None)
    harness.read_all("/stuck")
    assert harness.states()["/stuck"] == (FilesystemUsage(7, 7, 0, None), None, "")
    harness.watch.stop()
    for thread in threads:
        thread.join(TIMEOUT)
    assert harness.readers() == 0


def test_a_slow_call_that_returns_starts_no_second_thread(harness: WatchHarness) -> None:
    harness.mount("/slow", "/a")
    with harness.statvfs.held("/slow"):
        harness.round()
        harness.now += TAKE_OVER_AFTER / 2
        harness.watch.refresh()
    harness.read_all("/slow", "/a")
    assert harness.readers() == 1


def test_a_failing_mount_has_an_error_and_keeps_its_last_usage(harness: WatchHarness) -> None:
    harness.mount("/nfs")
    harness.read_all("/nfs")
    harness.statvfs.answers["/nfs"] = OSError(116, "Stale file handle")
    for _ in range(2):  # the second call begins when the first has ended
        harness.round()
    assert harness.states()["/nfs"] == (USAGE, None, "Stale file handle")


def test_a_mount_without_permission_is_skipped(harness: WatchHarness) -> None:
    harness.mount("/secret", "/a")
    harness.statvfs.answers["/secret"] = PermissionError(13, "Permission denied")
    harness.read_all("/a")
    assert harness.states()["/secret"] == (None, None, "")


def test_a_removed_mount_is_dropped_and_a_new_one_is_read(harness: WatchHarness) -> None:
    harness.mount("/", "/old")
    harness.read_all("/", "/old")
    harness.mount("/", "/new")
    assert harness.states() == {"/": (USAGE, None, ""), "/new": (None, None, "")}
    harness.read_all("/new")


def test_a_mount_removed_while_stuck_does_not_block_its_successor(harness: WatchHarness) -> None:
    harness.mount("/stuck")
    with harness.statvfs.held("/stuck"):
        harness.round()
        harness.mount()
        harness.mount("/stuck")
        harness.round(after=1)
        assert harness.statvfs.calls == ["/stuck", "/stuck"]
        harness.watch.stop()


def test_stop_waits_for_no_stuck_mount_and_ends_all_rounds(harness: WatchHarness) -> None:
    harness.mount("/stuck")
    with harness.statvfs.held("/stuck"):
        harness.round()
        harness.watch.stop()
        harness.now += 1
        harness.watch.refresh()
        assert harness.statvfs.calls == ["/stuck"]


def test_the_usage_of_a_real_mount_is_consistent() -> None:
    usage = measure("/")
    assert usage.total >= usage.used + usage.free > 0
    assert usage.inodes_used_percent is None or 0 <= usage.inodes_used_percent <= 100
