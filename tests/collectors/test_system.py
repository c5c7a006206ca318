import pytest

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse, MemoryUse
from nodnod_agent.collectors.system import SystemCollector, os_name, scope

DEBIAN = {"NAME": "Debian GNU/Linux", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}
LIMITED = MemoryUse(1000, 0, 0, None, None)


@pytest.mark.parametrize(
    ("system", "release", "mac", "name"),
    [
        ("Linux", DEBIAN, "", "Debian GNU/Linux 12 (bookworm)"),
        ("Linux", {"NAME": "Odd"}, "", "Odd"),
        ("Linux", {}, "", "Linux"),
        ("Darwin", {}, "14.5", "macOS 14.5"),
    ],
)
def test_the_system_has_the_name_of_its_distribution(
    system: str, release: dict[str, str], mac: str, name: str
) -> None:
    assert os_name(system, release, mac) == name


@pytest.mark.parametrize(
    ("memory", "cpu", "expected"),
    [
        (None, None, ("host", None, None)),
        (LIMITED, None, ("container", None, 1000)),
        (None, CpuUse(1.5, 0, 0, 0), ("container", 1.5, None)),
        (LIMITED, CpuUse(0.5, 0, 0, 0), ("container", 0.5, 1000)),
        (MemoryUse(9000, 0, 0, None, None), None, ("host", None, None)),
    ],
)
def test_the_scope_is_a_container_if_a_limit_applies(
    memory: MemoryUse | None, cpu: CpuUse | None, expected: tuple[str, float | None, int | None]
) -> None:
    assert scope(memory, cpu, host_memory=8000, host_cores=4) == expected


def test_the_section_is_read_once() -> None:
    readings = []
    collector = SystemCollector(Cgroup(memory=lambda: readings.append(1)), "1.2.3")
    section = collector.read(0.0)
    assert collector.read(100.0) is section
    assert len(readings) == 1
    assert section.agent_version == "1.2.3"
    assert section.cores.logical >= 1
    assert section.boot_time > 0
