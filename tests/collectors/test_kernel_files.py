import os
from pathlib import Path

import pytest

from nodnod_agent.collectors.kernel_files import KernelFile, open_optional, text


def test_each_read_returns_the_current_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file = KernelFile(str(path))
    assert file.read() == b"one"
    path.write_bytes(b"three")
    assert file.read() == b"three"
    assert file.head(2) == b"th"


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom(300_000)
    path.write_bytes(content)
    assert KernelFile(str(path)).read() == content


@pytest.mark.skipif(not os.path.exists("/proc/kallsyms"), reason="needs /proc")
def test_a_kernel_file_of_many_pages_is_read_to_its_end() -> None:
    file = KernelFile("/proc/self/smaps")
    assert file.read().rstrip().split(b"\n")[-1].startswith(b"VmFlags")


@pytest.mark.skipif(not os.path.exists("/proc/self/mountinfo"), reason="needs /proc")
def test_a_mount_table_reports_no_change_after_the_first_call() -> None:
    file = KernelFile("/proc/self/mountinfo")
    assert [file.changed(), file.changed()] == [True, False]


def test_an_absent_file_is_none(tmp_path: Path) -> None:
    assert open_optional(str(tmp_path / "none")) is None


def test_a_collected_file_releases_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    file = KernelFile(str(path))
    before = len(os.listdir("/dev/fd"))
    del file
    assert len(os.listdir("/dev/fd")) == before - 1


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert text(b"a\xffb") == text("a\udcffb") == "a\ufffdb"
    assert text("ü") == "ü"
