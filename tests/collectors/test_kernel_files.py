import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from collectors import private_mounts
from nodnod_agent.collectors.kernel_files import (
    KernelFile,
    OptionalFile,
    SharedFile,
    file_source,
    open_optional,
    text,
)


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


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
    before = descriptors()
    del file
    assert descriptors() == before - 1


def test_a_path_that_leads_elsewhere_is_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    file = KernelFile(str(path))
    assert [file.read(), file.changed(), file.changed()] == [b"one", True, False]
    before = descriptors()
    other.rename(path)
    assert [file.read(), file.head(1)] == [b"two", b"t"]
    assert file.changed(), "what changes in another file is not known"
    assert descriptors() == before


def test_a_file_that_fails_is_closed_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file, pread = KernelFile(str(path)), os.pread
    failures = [True, False, False, True, True]

    def fail(fd: int, size: int, offset: int) -> bytes:
        if failures and failures.pop(0):
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", fail)
    before = descriptors()
    assert file.read() == b"one", "it failed once"
    with pytest.raises(OSError, match="Transport"):
        file.read()
    assert descriptors() == before - 1, "an open file would keep a mount from being unmounted"
    assert file.read() == b"one"


def test_a_file_that_is_gone_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file, before = KernelFile(str(path)), descriptors()
    path.unlink()
    for read in (file.read, file.changed):
        with pytest.raises(FileNotFoundError):
            read()
    assert descriptors() == before - 1
    path.write_bytes(b"two")
    assert file.read() == b"two"


def test_a_file_whose_path_is_no_longer_allowed_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file = KernelFile(str(path))
    monkeypatch.setattr(os, "stat", Mock(side_effect=PermissionError))
    assert file.read() == b"one"


MOUNTED_OVER = """
import os, tempfile
from pathlib import Path
from collectors.private_mounts import call, mount
from nodnod_agent.collectors.kernel_files import KernelFile

BIND = 0x1000
other = Path(tempfile.mkdtemp(), "other")
for name in ("/proc/uptime", "/proc/self/mountinfo"):
    file = KernelFile(name)
    kernel = file.read()[:1]
    other.write_text("x")
    mount(str(other), name, "none", BIND)
    assert [file.read(), file.changed(), file.changed()] == [b"x", True, True]
    other.write_text("y")
    assert file.head(10) == b"y"
    call("umount2", name.encode(), 0)  # it is not busy
    assert file.read()[:1] == kernel
"""


def test_a_file_that_is_mounted_over_one_of_the_kernel_is_not_kept_busy() -> None:
    done = private_mounts.run(MOUNTED_OVER)
    assert done.returncode == 0, done.stderr


def test_an_optional_file_may_appear_and_disappear(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file, source = OptionalFile(str(path)), file_source(str(path), len, lambda: -1)
    assert (file.read(), source()) == (None, -1)
    path.write_bytes(b"three")
    assert (file.read(), file.read(2), source()) == (b"three", b"th", 5)
    path.unlink()
    assert (file.read(), source()) == (None, -1)


def test_an_absent_optional_file_needs_no_free_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    assert OptionalFile(str(tmp_path / "none")).read() is None


def test_a_shared_file_is_read_once_per_sample(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file = SharedFile(str(path))
    assert file.read(1.0) == b"one"
    path.write_bytes(b"two")
    assert [file.read(1.0), file.read(2.0)] == [b"one", b"two"]


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert text(b"a\xffb") == text("a\udcffb") == "a\ufffdb"
    assert text("ü") == "ü"
