import pytest

from nodnod_agent.collectors.cgroup import Cgroup, MemoryUse
from nodnod_agent.collectors.memory import (
    MemoryCollector,
    installed,
    limited,
    parse_meminfo,
    psutil_memory,
)
from nodnod_client.sections import Memory

MEMINFO = b"""\
MemTotal:       24684084 kB
MemFree:        24501920 kB
MemAvailable:   24425180 kB
Buffers:            1156 kB
Cached:            58676 kB
SwapCached:            0 kB
SwapTotal:       2097148 kB
SwapFree:        2000000 kB
SReclaimable:      10000 kB
HugePages_Total:       0
"""
HOST = Memory(
    total=8000, used=5000, available=3000, cached=1000, buffers=50, swap_total=400, swap_used=100
)


def test_used_is_total_minus_available() -> None:
    memory = parse_meminfo(MEMINFO)
    assert memory.total == 24684084 * 1024
    assert memory.available == 24425180 * 1024
    assert memory.used == memory.total - memory.available
    assert memory.cached == (58676 + 10000) * 1024
    assert memory.buffers == 1156 * 1024
    assert (memory.swap_total, memory.swap_used) == (2097148 * 1024, 97148 * 1024)


def test_without_an_estimate_free_and_cached_memory_is_available() -> None:
    memory = parse_meminfo(b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\n")
    assert memory.available == 35 * 1024


def test_a_cache_that_is_larger_than_the_memory_is_unknown() -> None:
    memory = parse_meminfo(
        b"MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 400 kB\n"
        b"Buffers: 1001 kB\nCached: 900 kB\nSReclaimable: 200 kB\n"
    )
    assert (memory.available, memory.cached, memory.buffers) == (400 * 1024, None, None)


IMPOSSIBLE = {
    "an estimate above the total": (
        b"MemTotal: 2097152 kB\nMemFree: 1200000 kB\nMemAvailable: 2400000 kB\nCached: 600000 kB\n",
        1800000,
    ),
    "an estimate below 0": (
        b"MemTotal: 2097152 kB\nMemFree: 10 kB\nMemAvailable: 18446744073709551612 kB\n",
        10,
    ),
    "an estimate and a sum above the total": (
        b"MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 2000 kB\nCached: 900 kB\n",
        300,
    ),
    "free memory below 0": (
        b"MemTotal: 1000 kB\nMemFree: 18446744073709551612 kB\nCached: 200 kB\n",
        200,
    ),
    "cached memory below 0": (
        b"MemTotal: 1000 kB\nMemFree: 300 kB\nCached: 18014398509481980 kB\n",
        300,
    ),
    "no estimate, and shared memory, which counts as cached": (
        b"MemTotal: 1000 kB\nMemFree: 300 kB\nCached: 500 kB\nShmem: 450 kB\n",
        350,
    ),
}


@pytest.mark.parametrize(("meminfo", "available"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_an_impossible_number_is_passed_over(meminfo: bytes, available: int) -> None:
    memory = parse_meminfo(meminfo)
    assert memory.available == available * 1024
    assert memory.used == memory.total - memory.available


@pytest.mark.parametrize(
    "meminfo",
    [
        b"",
        b"MemTotal: 0 kB\nMemFree: 0 kB\n",
        b"MemTotal: 1000 kB\n",
        b"MemTotal: 1000 kB\nMemFree: 2000 kB\nMemAvailable: 3000 kB\n",
    ],
    ids=["an empty file", "no memory at all", "no free memory", "more free memory than there is"],
)
def test_without_any_possible_number_there_is_no_section(meminfo: bytes) -> None:
    with pytest.raises(ValueError, match="are available"):
        parse_meminfo(meminfo)


@pytest.mark.parametrize(
    ("swap", "expected"),
    [
        (b"SwapTotal: 100 kB\nSwapFree: 40 kB\n", (100, 60)),
        (b"SwapTotal: 100 kB\nSwapFree: 140 kB\n", (100, 0)),
        (b"SwapTotal: 100 kB\nSwapFree: 18446744073709551540 kB\n", (100, 0)),
        (b"SwapTotal: 0 kB\nSwapFree: 18014398509481980 kB\n", (0, 0)),
        (b"SwapTotal: 18446744073709551540 kB\nSwapFree: 0 kB\n", (0, 0)),
        (b"SwapTotal: 100 kB\n", (100, None)),
        (b"", (0, None)),
    ],
)
def test_used_swap_is_never_below_0_or_above_64_bits(
    swap: bytes, expected: tuple[int, int | None]
) -> None:
    memory = parse_meminfo(b"MemTotal: 100 kB\nMemFree: 10 kB\n" + swap)
    total, used = expected
    assert memory.swap_total == total * 1024
    assert memory.swap_used == (None if used is None else used * 1024)


def test_in_a_container_the_total_is_the_limit() -> None:
    use = MemoryUse(limit=2000, used=500, cached=300, swap_limit=None, swap_used=7)
    memory = limited(HOST, use)
    assert (memory.total, memory.used, memory.available) == (2000, 500, 1500)
    assert (memory.cached, memory.buffers) == (300, None)
    assert (memory.swap_total, memory.swap_used) == (400, 7)


def test_a_limit_above_the_total_of_the_host_is_ignored() -> None:
    assert limited(HOST, MemoryUse(9000, 100, 0, None, None)) is HOST
    assert limited(HOST, None) is HOST


def test_a_limit_that_is_the_total_shown_is_one() -> None:
    memory = limited(HOST, MemoryUse(HOST.total, 7000, 300, None, None))
    assert (memory.total, memory.used, memory.available) == (8000, 7000, 1000)


def test_use_over_the_limit_leaves_nothing_available() -> None:
    memory = limited(HOST, MemoryUse(2000, 2100, 0, 0, 0))
    assert (memory.used, memory.available, memory.swap_total) == (2000, 0, 0)


def test_the_memory_of_this_machine_agrees_with_psutil() -> None:
    memory, expected = MemoryCollector(Cgroup()).read(0.0), psutil_memory()
    assert memory.total == expected.total
    assert abs(memory.available - expected.available) < memory.total / 20


SHOWN = MemoryUse(8000, 7000, 300, None, None)


@pytest.mark.parametrize("own", [None, MemoryUse(2**50, 7000, 300, None, None)])
def test_under_a_total_that_is_a_limit_the_use_is_that_of_the_group(own: MemoryUse | None) -> None:
    # As lxcfs shows it: less than the kernel has. The limit stands on a group above.
    cgroup = Cgroup(memory=lambda: own, memory_within=lambda limit: SHOWN._replace(limit=limit))
    memory = MemoryCollector(cgroup, lambda: HOST).read(0.0)
    assert (memory.total, memory.used) == (8000, 7000)


def test_on_a_host_the_use_of_a_group_without_a_limit_does_not_count() -> None:
    host = psutil_memory()
    cgroup = Cgroup(memory_within=lambda _: SHOWN)
    assert installed(host.total) == host.total
    assert MemoryCollector(cgroup, lambda: host).read(0.0) is host


def test_a_new_limit_is_followed() -> None:
    uses = iter([None, MemoryUse(2000, 500, 0, None, None)])
    collector = MemoryCollector(Cgroup(memory=lambda: next(uses)), lambda: HOST)
    assert [collector.read(0.0).total, collector.read(1.0).total] == [8000, 2000]
