from collections.abc import Iterable

import pytest
from msgspec import UNSET

from nodnod_agent.collectors.filesystems import (
    DiskSums,
    FilesystemsCollector,
    disk_sums,
    section,
    silent,
)
from nodnod_agent.collectors.mount_watch import MountWatch, Seen, Usage
from nodnod_agent.collectors.mounts import Mount


def mount(
    point: str, *, source: str = "/dev/sda", type_: str = "ext4", counted: bool = True
) -> Mount:
    return Mount(point, source, type_, f"8:{point}", counted)


def seen(where: Mount, total: int, used: int, **more: object) -> Seen:
    return Seen(where, Usage(total, used, total - used, 1.5), None, "")._replace(**more)


def test_only_what_is_counted_is_in_the_sums() -> None:
    rows = section(
        [
            seen(mount("/"), 100, 30),
            seen(mount("/data"), 1000, 500),
            seen(mount("/nfs", type_="nfs4", counted=False), 9000, 8000),
        ]
    )
    assert disk_sums(rows) == DiskSums(1100, 530)


def test_the_free_space_of_a_zfs_pool_is_counted_once() -> None:
    # Two datasets that use 10 and 20 of a pool with 70 left: both claim those 70.
    rows = section(
        [
            seen(mount("/tank", source="tank", type_="zfs"), 80, 10),
            seen(mount("/tank/home", source="tank/home", type_="zfs"), 90, 20),
            seen(mount("/other", source="other", type_="zfs"), 5, 1),
        ]
    )
    assert disk_sums(rows) == DiskSums(105, 31)


def test_a_mount_that_has_not_answered_yet_is_left_out_until_it_is_stuck() -> None:
    where = mount("/data")
    assert section([Seen(where, None, None, "")]) == []
    (row,) = section([Seen(where, None, 1700000000.0, "")])
    assert (row.total, row.stuck_since) == (0, 1700000000.0)
    assert silent([row]) == ["/data"]


def test_a_stuck_mount_keeps_its_last_good_numbers() -> None:
    (row,) = section([seen(mount("/data"), 100, 40, stuck_since=1700000000.0)])
    assert (row.total, row.used, row.free, row.stuck_since) == (100, 40, 60, 1700000000.0)
    assert silent([row]) == []


def test_what_is_not_wrong_is_not_in_the_row() -> None:
    (row,) = section([seen(mount("/"), 100, 40)])
    assert (row.stuck_since, row.error) == (UNSET, UNSET)
    (row,) = section([seen(mount("/"), 100, 40, error="Stale file handle")])
    assert row.error == "Stale file handle"


class InstantWatch(MountWatch):
    """Answers without a thread, as mounts that answer at once do."""

    def __init__(self) -> None:
        super().__init__()
        self.mounts: list[Mount] = []

    def watch(self, mounts: Iterable[Mount]) -> None:
        self.mounts = list(mounts)

    def refresh(self) -> None:
        pass

    def seen(self) -> list[Seen]:
        return [seen(mount, 100, 10) for mount in self.mounts]


def test_mounts_appear_and_vanish_while_it_runs() -> None:
    tables = iter([[mount("/")], None, [mount("/"), mount("/new")], [mount("/")]])
    reading = FilesystemsCollector(lambda: next(tables), InstantWatch())
    points = []
    for now in range(4):
        reading.refresh()
        points.append([row.mount for row in reading.read(float(now))])
    assert points == [["/"], ["/"], ["/", "/new"], ["/"]]


def test_a_mount_table_that_cannot_be_read_is_told_by_the_reading() -> None:
    def fails() -> list[Mount]:
        raise OSError("no table")

    reading = FilesystemsCollector(fails, InstantWatch())
    reading.refresh()
    with pytest.raises(OSError, match="no table"):
        reading.read(0.0)
