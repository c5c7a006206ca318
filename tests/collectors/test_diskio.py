import pytest

from nodnod_agent.collectors import diskio
from nodnod_agent.collectors.diskio import (
    NAMES_FOR,
    DiskCounters,
    DiskIoCollector,
    DiskTransfer,
    compute,
    is_disk,
    is_stacked,
    parse_diskstats,
    transfer,
)
from nodnod_agent.collectors.kernel_files import OptionalFile
from nodnod_client.sections import DiskIo

# Linux 6.18: 20 columns; a partition; a CD drive; a loop device.
DISKSTATS = b"""\
   7       0 loop0 12 0 34 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 8526 5262 1056562 3303 1420 17217 529832 1786 0 1884 5304 3092 29 38776 211 70 2
 254       1 vda1 8000 5262 1000000 3303 1420 17217 529832 1786 0 1884 5304 3092 29 38776 211 70 2
 253       0 dm-0 100 0 800 10 200 0 1600 20 0 500 30
  11       0 sr0 1 0 2 0 0 0 0 0 0 0 0
"""
NOTHING = DiskCounters(0, 0, 0, 0, 0)


def test_bytes_are_sectors_of_512_and_busy_is_in_seconds() -> None:
    found = parse_diskstats(DISKSTATS, lambda name: name == "vda")
    assert found == {"vda": DiskCounters(8526, 1056562 * 512, 1420, 529832 * 512, 1.884)}


def test_a_line_that_cannot_be_read_costs_its_own_row() -> None:
    bad = b" 8 0 sda 1 2 x 4 5 6 7 8 9 10 11\n 8 16 sdb 1\n"
    assert parse_diskstats(bad + DISKSTATS, lambda _: True).keys() == {
        *("loop0", "vda", "vda1", "dm-0", "sr0")
    }


def test_a_name_that_is_not_utf_8_is_still_text() -> None:
    found = parse_diskstats(b" 8 0 sd\xff 1 2 3 4 5 6 7 8 9 10 11\n", lambda _: True)
    assert list(compute(found, found, 1.0)) == ["sd\ufffd"]


def test_only_disks_are_read() -> None:
    names: list[str] = []
    found = parse_diskstats(DISKSTATS, lambda name: names.append(name) or name == "dm-0")
    assert names == ["loop0", "vda", "vda1", "dm-0", "sr0"]
    assert found.keys() == {"dm-0"}


def test_a_counter_below_0_is_no_rate() -> None:
    text = b"254 0 vda 0 0 18446744073709551611 0 0 0 18446744073709551611 0 0 0 0\n"
    after = parse_diskstats(text, lambda _: True)
    assert compute({"vda": NOTHING}, after, 1.0) == {"vda": DiskIo(0, 0, 0, 0, 0)}


def test_a_name_becomes_a_disk_when_the_system_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: set[str] = set()
    monkeypatch.setattr(diskio, "is_disk", lambda name: name in listed)
    monkeypatch.setattr(OptionalFile, "read", lambda *_: DISKSTATS)
    collector = DiskIoCollector()
    assert [collector.read(now) for now in (1.0, 2.0)] == [{}, {}]
    listed.add("vda")
    section = [collector.read(now) for now in (1.0 + NAMES_FOR, 2.0 + NAMES_FOR)][-1]
    assert section is not None
    assert section.keys() == {"vda"}


def test_rates_are_per_second_of_the_elapsed_time() -> None:
    after = {"sda": DiskCounters(50, 5000, 100, 10_000, 2.5)}
    assert compute({"sda": NOTHING}, after, 5.0) == {"sda": DiskIo(1000, 2000, 10, 20, 50)}


def test_the_transfer_of_the_machine_leaves_out_disks_that_repeat_the_work_of_others() -> None:
    section = {
        "sda": DiskIo(10, 20, 1, 1, 5),
        "sdb": DiskIo(1, 2, 1, 1, 5),
        "md0": DiskIo(11, 22, 1, 1, 5),
    }
    assert transfer(section, {"md0"}) == DiskTransfer(11, 22)
    assert transfer({"md0": section["md0"]}, {"md0"}) is None


def test_what_is_stacked_on_other_disks_is_looked_up_for_new_ones_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(diskio, "is_stacked", lambda name: looked.append(name) or name == "dm-0")
    disks = {"sda": NOTHING, "dm-0": NOTHING}
    collector = DiskIoCollector(lambda: dict(disks))
    for now in (1.0, 2.0, 3.0):
        collector.read(now)
    assert looked == ["sda", "dm-0"]
    assert collector.stacked() == {"dm-0"}
    disks["sdb"] = NOTHING
    collector.read(4.0)
    assert looked[2:] == ["sda", "dm-0", "sdb"]


@pytest.mark.parametrize(("below", "stacked"), [([], False), (["sda1"], True)])
def test_a_disk_with_others_below_it_is_stacked(
    monkeypatch: pytest.MonkeyPatch, below: list[str], stacked: bool
) -> None:
    folders = {"/sys/block/cciss!c0d0/slaves": below}
    monkeypatch.setattr(diskio.os, "listdir", folders.__getitem__)
    assert is_stacked("cciss/c0d0") is stacked


def test_a_volume_of_a_pool_of_zfs_is_stacked_and_a_disk_without_description_is_not() -> None:
    assert is_stacked("zd16")
    assert not is_stacked("no such disk")


def test_a_new_disk_is_absent_until_its_second_reading() -> None:
    assert compute({}, {"sdb": NOTHING}, 1.0) == {}


def test_rates_are_0_after_the_counters_are_reset() -> None:
    before = {"sda": DiskCounters(1000, 1e6, 1000, 1e6, 9)}
    assert compute(before, {"sda": NOTHING}, 1.0) == {"sda": DiskIo(0, 0, 0, 0, 0)}


def test_busy_is_at_most_100_percent_and_may_be_unknown() -> None:
    assert (
        compute({"a": NOTHING}, {"a": DiskCounters(0, 0, 0, 0, 1.02)}, 1.0)["a"].busy_percent == 100
    )
    unknown = DiskCounters(0, 0, 0, 0, None)
    assert compute({"a": unknown}, {"a": unknown}, 1.0)["a"].busy_percent is None


def test_a_machine_without_disk_counters_has_no_section() -> None:
    assert DiskIoCollector(lambda: None).read(1.0) is None


def test_rates_are_since_the_previous_reading() -> None:
    counters = iter([{"a": NOTHING}, {"a": DiskCounters(2, 0, 0, 0, 0)}])
    collector = DiskIoCollector(lambda: next(counters))
    assert collector.read(1.0) == {}
    section = collector.read(3.0)
    assert section is not None
    assert section["a"].reads == 1


def test_a_name_without_a_block_device_is_not_a_disk() -> None:
    assert not is_disk("no-such-device")
