import threading
from collections.abc import Iterable

import pytest
from msgspec import UNSET

from nodnod_agent.collectors.filesystems import (
    DiskSums,
    FilesystemsCollector,
    compute,
    disk_faults,
    disk_sums,
)
from nodnod_agent.collectors.mount_watch import FilesystemUsage, MountState, MountWatch
from nodnod_agent.collectors.mounts import Mount


def mount(
    point: str, *, source: str = "/dev/sda", type_: str = "ext4", counted: bool = True
) -> Mount:
    return Mount(point, source, type_, f"8:{point}", counted)


def state(where: Mount, total: int, used: int, **more: object) -> MountState:
    return MountState(where, FilesystemUsage(total, used, total - used, 1.5), None, "")._replace(
        **more
    )


def test_only_counted_filesystems_are_in_the_sums() -> None:
    rows = compute(
        [
            state(mount("/"), 100, 30),
            state(mount("/data"), 1000, 500),
            state(mount("/nfs", type_="nfs4", counted=False), 9000, 8000),
        ]
    )
    assert disk_sums(rows) == DiskSums(1100, 530)


@pytest.mark.parametrize(
    ("usage", "percent"),
    [
        pytest.param(FilesystemUsage(1000, 931, 0, None), 100, id="an ext4 with a reserve"),
        pytest.param(FilesystemUsage(2000, 748, 1, None), 100, id="an unequal btrfs raid1"),
        pytest.param(FilesystemUsage(1000, 1, 999, None), 1, id="the least use is rounded up"),
        pytest.param(FilesystemUsage(1000, 500, 500, None), 50, id="a whole number stays"),
        pytest.param(FilesystemUsage(1000, 0, 1000, None), 0, id="an empty one"),
        pytest.param(FilesystemUsage(2**63, 2**62, 2**62, None), 50, id="a very large one"),
        pytest.param(FilesystemUsage(0, 0, 0, None), None, id="nothing to use"),
    ],
)
def test_a_row_has_the_used_percent_of_df(usage: FilesystemUsage, percent: int | None) -> None:
    (row,) = compute([MountState(mount("/"), usage, None, "")])
    assert row.used_percent == percent


def test_the_free_space_of_a_zfs_pool_is_counted_once() -> None:
    # Two datasets that use 10 and 20 of a pool with 70 free: both report the 70 as free.
    rows = compute(
        [
            state(mount("/tank", source="tank", type_="zfs"), 80, 10),
            state(mount("/tank/home", source="tank/home", type_="zfs"), 90, 20),
            state(mount("/other", source="other", type_="zfs"), 5, 1),
        ]
    )
    assert disk_sums(rows) == DiskSums(105, 31)


def test_a_quota_on_the_first_dataset_does_not_hide_the_free_space_of_its_pool() -> None:
    rows = compute(
        [
            state(mount("/tank/a", source="tank/a", type_="zfs"), 15, 10),
            state(mount("/tank/b", source="tank/b", type_="zfs"), 90, 20),
        ]
    )
    assert disk_sums(rows) == DiskSums(100, 30)


def test_a_mount_without_an_answer_is_left_out_until_it_is_stuck() -> None:
    where = mount("/data")
    assert compute([MountState(where, None, None, "")]) == []
    (row,) = compute([MountState(where, None, 1700000000.0, "")])
    assert (row.total, row.stuck_since) == (0, 1700000000.0)


@pytest.mark.parametrize(
    ("counted", "stuck", "error", "faults"),
    [
        (True, 1700000000.0, "", ["/data does not answer"]),
        (True, None, "Input/output error", ["/data: Input/output error"]),
        (False, 1700000000.0, "", []),
    ],
)
def test_a_counted_mount_without_numbers_is_a_fault(
    counted: bool, stuck: float | None, error: str, faults: list[str]
) -> None:
    rows = compute([MountState(mount("/data", counted=counted), None, stuck, error)])
    assert disk_faults(rows) == faults


def test_a_stuck_mount_keeps_its_last_good_numbers() -> None:
    (row,) = compute([state(mount("/data"), 100, 40, stuck_since=1700000000.0)])
    assert (row.total, row.used, row.free, row.stuck_since) == (100, 40, 60, 1700000000.0)
    assert disk_faults([row]) == []


def test_a_row_has_an_error_only_after_a_failure() -> None:
    (row,) = compute([state(mount("/"), 100, 40)])
    assert (row.stuck_since, row.error) == (UNSET, UNSET)
    (row,) = compute([state(mount("/"), 100, 40, error="Stale file handle")])
    assert row.error == "Stale file handle"


def test_a_row_has_the_time_of_its_numbers_only_if_they_are_not_measured_again() -> None:
    (row,) = compute([state(mount("/"), 100, 40)])
    assert row.measured_at is UNSET
    (row,) = compute([state(mount("/net/nas"), 100, 40, measured_at=1700000000.0)])
    assert row.measured_at == 1700000000.0


class InstantWatch(MountWatch):
    """Returns the state of all mounts without a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.mounts: list[Mount] = []

    def watch(self, mounts: Iterable[Mount]) -> None:
        self.mounts = list(mounts)

    def refresh(self) -> None:
        pass

    def states(self) -> list[MountState]:
        return [state(mount, 100, 10) for mount in self.mounts]


class SlowWatch(MountWatch):
    """Its mounts answer only to one that waits for them; counts those that do."""

    def __init__(self) -> None:
        self.settled = 0
        self._waited_for = threading.Event()
        super().__init__(self._measure)

    def _measure(self, _: str) -> FilesystemUsage:
        assert self._waited_for.wait(10)
        return FilesystemUsage(100, 10, 90, None)

    def settle(self, seconds: float) -> None:
        self.settled += 1
        self._waited_for.set()
        super().settle(10 * seconds)


def test_the_first_reading_has_the_numbers_of_mounts_that_answer_late() -> None:
    watch = SlowWatch()
    collector = FilesystemsCollector(lambda: [mount("/")], watch)
    for now in range(2):
        collector.refresh()
        assert [row.total for row in collector.read(float(now))] == [100]
    assert watch.settled == 1, "later readings do not wait"
    collector.stop()


def test_mounts_may_appear_and_disappear() -> None:
    tables = iter([[mount("/")], None, [mount("/"), mount("/new")], [mount("/")]])
    collector = FilesystemsCollector(lambda: next(tables), InstantWatch())
    points = []
    for now in range(4):
        collector.refresh()
        points.append([row.mount for row in collector.read(float(now))])
    assert points == [["/"], ["/"], ["/", "/new"], ["/"]]


def test_read_raises_the_error_of_an_unreadable_mount_table() -> None:
    def fails() -> list[Mount]:
        raise OSError("no table")

    collector = FilesystemsCollector(fails, InstantWatch())
    collector.refresh()
    with pytest.raises(OSError, match="no table"):
        collector.read(0.0)
