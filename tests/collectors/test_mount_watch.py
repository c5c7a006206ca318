import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nodnod_agent.collectors.mount_watch import (
    STUCK_AFTER,
    TAKE_OVER_AFTER,
    FilesystemUsage,
    MountWatch,
    leads_to,
    measure,
    usage_from,
)
from nodnod_agent.collectors.mountinfo import mount_id
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
        self.elsewhere: set[str] = set()
        self.watch = MountWatch(
            self.statvfs,
            lambda: self.now,
            lambda: self.now + 500_000,
            lambda mount: mount.point not in self.elsewhere,
        )
        self._other_readers = set(self.reader_threads())

    def reader_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "nodnod-mounts"]

    def readers(self) -> int:
        """The number of threads of this watch that read mounts."""
        return len(set(self.reader_threads()) - self._other_readers)

    def mount(self, *points: str, **more: Any) -> None:
        mounts = [Mount(point, "/dev/x", "ext4", f"8:{point}", True) for point in points]
        self.watch.watch([mount._replace(**more) for mount in mounts])

    def round(self, *, after: float = 0.0, calls: int = 1) -> None:
        """Start a round ``after`` seconds; wait until it has begun so many calls."""
        self.now += after
        before = len(self.statvfs.calls)
        self.watch.refresh()
        self.statvfs.wait_for(lambda: len(self.statvfs.calls) >= before + calls)

    def rounds(self, count: int) -> None:
        """Run rounds to their end."""
        for _ in range(count):
            self.watch.refresh()
            while not self._idle():
                threading.Event().wait(0.001)

    def _idle(self) -> bool:
        watch = self.watch
        with watch._changed:
            return not watch._due and all(s.called is None for s in watch._watched.values())

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


def test_a_mount_whose_permission_is_lost_has_an_error_beside_its_last_usage(
    harness: WatchHarness,
) -> None:
    harness.mount("/data")
    harness.read_all("/data")
    harness.statvfs.answers["/data"] = PermissionError(13, "Permission denied")
    harness.rounds(2)
    assert harness.states()["/data"] == (USAGE, None, "Permission denied")


@pytest.mark.parametrize("error", [FileNotFoundError, NotADirectoryError])
def test_a_path_that_is_gone_makes_the_table_outdated_once(
    harness: WatchHarness, error: type[OSError]
) -> None:
    harness.mount("/a/mnt")
    harness.rounds(1)
    assert not harness.watch.outdated()
    harness.statvfs.answers["/a/mnt"] = error(2, "gone")
    harness.rounds(1)
    assert harness.watch.outdated()
    assert harness.states()["/a/mnt"] == (USAGE, None, "gone")
    harness.rounds(3)
    assert not harness.watch.outdated()


def test_a_path_that_leads_elsewhere_makes_the_table_outdated_and_then_has_no_usage(
    harness: WatchHarness,
) -> None:
    harness.mount("/a/mnt")
    harness.rounds(1)
    harness.elsewhere.add("/a/mnt")
    harness.rounds(1)
    assert harness.watch.outdated()
    assert harness.states()["/a/mnt"] == (USAGE, None, ""), "until the table has been read"
    harness.rounds(1)
    assert not harness.watch.outdated()
    assert harness.states()["/a/mnt"] == (None, None, "")
    assert harness.statvfs.calls == ["/a/mnt"], "the filesystem around it is not measured"
    harness.elsewhere.clear()
    harness.rounds(1)
    assert harness.states()["/a/mnt"] == (USAGE, None, "")


def test_a_mount_that_expires_is_measured_once(harness: WatchHarness) -> None:
    harness.mount("/net/nas", expires=True, id=7)
    harness.rounds(1)
    harness.now += 100
    harness.mount("/net/nas", expires=True, id=7)
    harness.rounds(3)
    assert harness.statvfs.calls == ["/net/nas"]
    (state,) = harness.watch.states()
    assert (state.usage, state.measured_at) == (USAGE, 501_000.0)

    harness.mount("/net/nas", expires=True, id=8)  # mounted again
    harness.rounds(3)
    assert harness.statvfs.calls == ["/net/nas"] * 2
    (state,) = harness.watch.states()
    assert state.measured_at == 501_100.0


def test_a_mount_that_stays_is_measured_in_each_round_and_has_no_time(
    harness: WatchHarness,
) -> None:
    harness.mount("/data")
    harness.rounds(3)
    assert len(harness.statvfs.calls) == 3
    assert harness.watch.states()[0].measured_at is None


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


def statvfs(
    blocks: int = 1000,
    bfree: int = 600,
    bavail: int = 500,
    files: int = 100,
    ffree: int = 75,
    *,
    bsize: int = 4096,
    frsize: int = 1024,
) -> os.statvfs_result:
    return os.statvfs_result((bsize, frsize, blocks, bfree, bavail, files, ffree, ffree, 0, 255))


MINUS_1 = 2**64 - 1


@pytest.mark.parametrize(
    ("stat", "free", "inodes"),
    [
        pytest.param(statvfs(), 500, 25.0, id="as usual"),
        pytest.param(statvfs(ffree=MINUS_1), 500, None, id="CephFS: -1 free inodes"),
        pytest.param(statvfs(ffree=-1), 500, None, id="the same, signed"),
        pytest.param(statvfs(ffree=2**32 - 1), 500, None, id="the same in 32 bits"),
        pytest.param(statvfs(ffree=101), 500, None, id="more free inodes than inodes"),
        pytest.param(statvfs(files=0, ffree=0), 500, None, id="no inodes"),
        pytest.param(statvfs(files=0, ffree=MINUS_1), 500, None, id="no inodes, -1 free"),
        pytest.param(statvfs(files=MINUS_1, ffree=MINUS_1), 500, None, id="-1 inodes"),
        pytest.param(statvfs(ffree=100), 500, 0.0, id="all inodes free"),
        pytest.param(statvfs(ffree=0), 500, 100.0, id="no inode free"),
        pytest.param(statvfs(bavail=-5), 0, 25.0, id="the reserve is in use"),
        pytest.param(statvfs(bavail=2**64 - 5), 0, 25.0, id="the same, unsigned"),
        pytest.param(statvfs(bavail=601), 600, 25.0, id="more free for users than free"),
        pytest.param(statvfs(bavail=0), 0, 25.0, id="full for users"),
        pytest.param(statvfs(frsize=0, bsize=1024), 500, 25.0, id="no fragment size"),
    ],
)
def test_each_field_of_statvfs_is_checked_against_the_others(
    stat: os.statvfs_result, free: int, inodes: float | None
) -> None:
    assert usage_from(stat) == FilesystemUsage(1000 * 1024, 400 * 1024, free * 1024, inodes)


@pytest.mark.parametrize(
    "stat",
    [
        pytest.param(statvfs(bfree=1001), id="more free than there is"),
        pytest.param(statvfs(bfree=MINUS_1), id="-1 free"),
        pytest.param(statvfs(bfree=-1), id="-1 free, signed"),
        pytest.param(statvfs(blocks=MINUS_1, bfree=5), id="-1 blocks"),
        pytest.param(statvfs(blocks=2**60), id="more bytes than an offset can have"),
    ],
)
def test_a_size_that_cannot_be_true_is_an_error(stat: os.statvfs_result) -> None:
    with pytest.raises(ValueError, match="impossible"):
        usage_from(stat)


@pytest.mark.parametrize("stat", [statvfs(0, 0, 0, 0, 0), statvfs(0), statvfs(frsize=0, bsize=0)])
def test_a_mount_without_a_size_is_skipped_as_one_without_permission(
    stat: os.statvfs_result,
) -> None:
    with pytest.raises(PermissionError):
        usage_from(stat)


def test_the_8_eib_of_a_cloud_are_a_size() -> None:
    assert usage_from(statvfs(2**43 - 16, 2**43 - 17, frsize=2**20)).used == 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("device", "mount_offset", "expected"),
    [
        pytest.param(None, 0, True, id="the device of the table"),
        pytest.param(None, 1, True, id="the device of the table, on another mount"),
        pytest.param("0:99999", 0, True, id="a subvolume: the mount of the table"),
        pytest.param("0:99999", 1, False, id="neither"),
    ],
)
def test_a_path_leads_to_a_mount_by_its_device_or_by_its_id(
    device: str | None, mount_offset: int, expected: bool
) -> None:
    st_dev = os.stat("/proc").st_dev
    device = device or f"{os.major(st_dev)}:{os.minor(st_dev)}"
    id_ = mount_id("/proc")
    assert id_ is not None
    assert leads_to(Mount("/proc", "", "", device, True, id=id_ + mount_offset)) is expected


@pytest.mark.parametrize(
    "mount",
    [
        pytest.param(Mount("/", "/dev/disk1", "apfs", "d:1", True), id="a table without ids"),
        pytest.param(Mount("/none", "/dev/sda", "ext4", "8:1", True, id=1), id="no such path"),
    ],
)
def test_what_cannot_be_checked_is_left_to_the_reading(mount: Mount) -> None:
    assert leads_to(mount)


def test_the_usage_of_a_real_mount_is_consistent() -> None:
    usage = measure("/")
    assert usage.total >= usage.used + usage.free > 0
    assert usage.inodes_used_percent is None or 0 <= usage.inodes_used_percent <= 100


def test_settling_waits_for_the_first_answers(harness: WatchHarness) -> None:
    harness.mount("/a", "/b")
    harness.watch.refresh()
    harness.watch.settle(TIMEOUT)
    assert harness.states() == dict.fromkeys(["/a", "/b"], (USAGE, None, ""))


def test_settling_gives_a_stuck_mount_up(harness: WatchHarness) -> None:
    harness.mount("/stuck")
    with harness.statvfs.held("/stuck"):
        harness.round()
        harness.watch.settle(0.0)
        assert harness.states() == {"/stuck": (None, None, "")}


def test_settling_ends_when_the_watch_stops(harness: WatchHarness) -> None:
    harness.mount("/stuck")
    with harness.statvfs.held("/stuck"):
        harness.round()
        waiting = threading.Thread(target=harness.watch.settle, args=[TIMEOUT])
        waiting.start()
        harness.watch.stop()
        waiting.join(TIMEOUT / 2)
        assert not waiting.is_alive()
