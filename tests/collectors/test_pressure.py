from pathlib import Path

import pytest

from nodnod_agent.collectors.kernel_files import KernelFile
from nodnod_agent.collectors.pressure import PressureCollector, parse_pressure
from nodnod_client.sections import Pressure, Stall

MEMORY = b"""\
some avg10=1.53 avg60=0.87 avg300=0.19 total=1234567
full avg10=0.26 avg60=0.10 avg300=0.02 total=234567
"""
OLD_CPU = b"some avg10=7.00 avg60=3.00 avg300=1.00 total=99\n"


def test_the_last_ten_seconds_are_read() -> None:
    assert parse_pressure(MEMORY) == Stall(1.53, 0.26)


def test_the_full_stall_of_the_cpu_may_be_absent() -> None:
    assert parse_pressure(OLD_CPU) == Stall(7.0, None)
    assert parse_pressure(b"") is None


def test_a_share_that_is_impossible_is_passed_over() -> None:
    assert parse_pressure(b"some avg10=nan total=1\n") is None
    assert parse_pressure(b"some avg10=1.00\nfull avg10=4294967.29\n") == Stall(1.0, None)


def test_each_resource_has_its_file(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_bytes(OLD_CPU)
    (tmp_path / "memory").write_bytes(MEMORY)
    pressure = PressureCollector(str(tmp_path)).read(0.0)
    assert pressure == Pressure(cpu=Stall(7.0, None), memory=Stall(1.53, 0.26), io=None)


def test_a_kernel_without_psi_has_no_section(tmp_path: Path) -> None:
    assert PressureCollector(str(tmp_path / "none")).read(0.0) is None


def test_a_kernel_booted_with_psi_off_has_no_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cpu", "memory", "io"):
        (tmp_path / name).write_bytes(b"")
    reads = []

    def not_supported(file: KernelFile) -> bytes:
        reads.append(file)
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(KernelFile, "read", not_supported)
    collector = PressureCollector(str(tmp_path))
    assert [collector.read(0.0), collector.read(1.0)] == [None, None]
    assert len(reads) == 3, "it is not read again"


def broken_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bytes) -> None:
    """Let the file for memory have a content, and fail if it has none."""
    for name, content in (("cpu", OLD_CPU), ("memory", memory), ("io", MEMORY)):
        (tmp_path / name).write_bytes(content)
    read = KernelFile.read

    def reading(file: KernelFile) -> bytes:
        data = read(file)
        if not data:
            raise OSError(5, "Input/output error")
        return data

    monkeypatch.setattr(KernelFile, "read", reading)


@pytest.mark.parametrize("memory", [b"", b"some avg10=?\n"])
def test_a_resource_that_cannot_be_read_is_unknown_until_it_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bytes
) -> None:
    broken_memory(tmp_path, monkeypatch, memory)
    collector = PressureCollector(str(tmp_path))
    assert collector.read(0.0) == Pressure(Stall(7.0, None), None, Stall(1.53, 0.26))
    (tmp_path / "memory").write_bytes(MEMORY)
    assert collector.read(1.0) == Pressure(Stall(7.0, None), Stall(1.53, 0.26), Stall(1.53, 0.26))


def test_a_pressure_that_cannot_be_read_at_all_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_memory(tmp_path, monkeypatch, b"")
    for name in ("cpu", "io"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(OSError, match="Input/output error"):
        PressureCollector(str(tmp_path)).read(0.0)
