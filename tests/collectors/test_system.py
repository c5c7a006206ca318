import os
import platform
import sys
from pathlib import Path

import pytest

from nodnod_agent.collectors import system
from nodnod_agent.collectors.cgroup import Cgroup, CpuUse, MemoryUse
from nodnod_agent.collectors.kernel_files import SharedFile
from nodnod_agent.collectors.system import (
    READ_EVERY,
    RELEASE_INTERVAL,
    SystemCollector,
    os_name,
    parse_boot_time,
    parse_os_release,
    parse_total,
    scope,
)
from nodnod_client.sections import System

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


def test_what_can_change_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    limits = iter([None, LIMITED._replace(limit=1000), None])
    quotas = iter([None, CpuUse(0.5, 0, 0, 0), None])
    cgroup = Cgroup(memory=lambda: next(limits), cpu=lambda: next(quotas))
    collector = SystemCollector(cgroup, "1.2.3", stat=SharedFile(str(stat)))

    def read(now: float, boot_time: int) -> System:
        stat.write_bytes(b"cpu  1 2 3 4\nintr 5\nctxt 6\nbtime %d\nprocesses 7\n" % boot_time)
        return collector.read(now)

    first = read(0.0, 315532800)
    assert (first.boot_time, first.scope) == (315532800, "host")
    assert read(READ_EVERY - 1, 1796033287) is first
    second = read(READ_EVERY, 1796033287)
    assert (second.boot_time, second.scope) == (1796033287, "container")
    assert (second.cpu_limit, second.memory_limit) == (0.5, 1000)
    monkeypatch.setattr(os, "cpu_count", lambda: 512)
    third = read(2 * READ_EVERY, 1796033287)
    assert (third.scope, third.cores.logical) == ("host", 512)
    assert third.agent_version == "1.2.3"


@pytest.mark.skipif(sys.platform != "linux", reason="needs the total of the kernel")
def test_a_total_below_that_of_the_kernel_is_a_limit(tmp_path: Path) -> None:
    # As under lxcfs, where the files of the group cannot be read.
    meminfo = tmp_path / "meminfo"
    meminfo.write_bytes(b"MemTotal: 2048 kB\n")
    section = SystemCollector(Cgroup(), "", meminfo=SharedFile(str(meminfo))).read(0.0)
    assert (section.scope, section.memory_limit) == ("container", 2048 * 1024)


def test_the_name_of_the_system_follows_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, new = tmp_path / "os-release", tmp_path / "new"
    monkeypatch.setattr(system, "_RELEASE_FILES", (str(tmp_path / "none"), str(release)))
    release.write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    collector = SystemCollector(Cgroup(), "")
    assert collector.read(0.0).os == "Debian GNU/Linux 12 (bookworm)"
    new.write_text("NAME=Debian\nPRETTY_NAME='Debian GNU/Linux 13 (trixie)' # new\n")
    new.rename(release)
    assert collector.read(RELEASE_INTERVAL).os == "Debian GNU/Linux 13 (trixie)"
    release.unlink()
    assert collector.read(2 * RELEASE_INTERVAL).os == platform.system()


def test_an_os_release_file_is_read_like_a_shell_reads_it() -> None:
    text = '# a comment\n\nNAME=Odd\nID="a \\"b\\" c"\nBROKEN="x\nPRETTY_NAME=\n'
    release = parse_os_release(text)
    assert (release["NAME"], release["ID"], release["PRETTY_NAME"]) == ("Odd", 'a "b" c', "")
    assert "BROKEN" not in release


def test_files_without_the_facts_are_errors() -> None:
    with pytest.raises(ValueError, match="btime"):
        parse_boot_time(b"cpu 1 2 3\n")
    with pytest.raises(ValueError, match="MemTotal"):
        parse_total(b"MemTotal:\n")
