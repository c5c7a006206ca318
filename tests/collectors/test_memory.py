from nodnod_agent.collectors.cgroup import Cgroup, MemoryUse
from nodnod_agent.collectors.memory import (
    MemoryCollector,
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


def test_in_a_container_the_total_is_the_limit() -> None:
    use = MemoryUse(limit=2000, used=500, cached=300, swap_limit=None, swap_used=7)
    memory = limited(HOST, use)
    assert (memory.total, memory.used, memory.available) == (2000, 500, 1500)
    assert (memory.cached, memory.buffers) == (300, None)
    assert (memory.swap_total, memory.swap_used) == (400, 7)


def test_a_limit_above_the_total_of_the_host_is_ignored() -> None:
    assert limited(HOST, MemoryUse(9000, 100, 0, None, None)) is HOST
    assert limited(HOST, None) is HOST


def test_use_over_the_limit_leaves_nothing_available() -> None:
    memory = limited(HOST, MemoryUse(2000, 2100, 0, 0, 0))
    assert (memory.used, memory.available, memory.swap_total) == (2000, 0, 0)


def test_the_memory_of_this_machine_agrees_with_psutil() -> None:
    memory, expected = MemoryCollector(Cgroup()).read(0.0), psutil_memory()
    assert memory.total == expected.total
    assert abs(memory.available - expected.available) < memory.total / 20


def test_a_new_limit_is_followed() -> None:
    uses = iter([None, MemoryUse(2000, 500, 0, None, None)])
    collector = MemoryCollector(Cgroup(memory=lambda: next(uses)), lambda: HOST)
    assert [collector.read(0.0).total, collector.read(1.0).total] == [8000, 2000]
