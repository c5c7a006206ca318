"""The file that keeps the history over a restart, on a disk that may be full, wrong or hang."""

import asyncio
import errno
import logging
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from eventually import eventually
from nodnod_agent import state
from nodnod_agent.collectors.moment import Moment
from nodnod_agent.core.stats.history import History
from nodnod_agent.core.stats.snapshot import encode_snapshot
from nodnod_agent.state import HistoryFile, file_name

WALL = 1_700_000_000.0
NAME = "history-kyle"


def now() -> Moment:
    return Moment(5.0, 110.0, WALL + 110)


def filled() -> History:
    history = History(1.0)
    for second in range(1, 101):
        history.add(second, WALL + second, {"cpuUsed": 5.0})
    return history


DATA = encode_snapshot(filled())


class Kept:
    """The history of one process, kept in a directory."""

    def __init__(self, directory: Path) -> None:
        self.history = History(1.0)
        self.file = HistoryFile(str(directory), "kyle", self.history, now=now)
        self.ready = asyncio.Event()

    @property
    def points(self) -> int:
        return self.history.rings[0].known

    async def start(self) -> "Kept":
        self.file.start(self.ready.set)
        await asyncio.wait_for(self.ready.wait(), 10)
        return self

    def sample(self) -> None:
        self.history.add(111.0, WALL + 111, {"cpuUsed": 7.0})


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    await kept.file.stop(30)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write all the time."""
    monkeypatch.setattr(state, "SAVE_EVERY", 0.01)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings so far."""
    caplog.set_level(logging.INFO)
    return lambda: [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def threads_of_files() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "nodnod-state"]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that hangs until the event, at each read and each fsync."""
    answers = threading.Event()
    sync, read = os.fsync, state.read_file

    def fsync(fd: int) -> None:
        answers.wait(20)
        sync(fd)

    def read_file(path: str) -> bytes | None:
        answers.wait(20)
        return read(path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(state, "read_file", read_file)
    yield answers
    answers.set()
    for thread in threads_of_files():
        thread.join()


async def test_a_history_is_there_again_after_a_restart(tmp_path: Path, kept: Kept) -> None:
    await kept.start()
    assert kept.points == 0
    kept.sample()
    await kept.file.stop(30)
    assert (await Kept(tmp_path).start()).points == 1
    assert os.listdir(tmp_path) == [NAME]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


async def test_it_is_written_again_and_again(often: None, tmp_path: Path, kept: Kept) -> None:
    await kept.start()
    kept.sample()
    await eventually((tmp_path / NAME).exists)
    (tmp_path / NAME).unlink()
    await eventually((tmp_path / NAME).exists)


async def test_without_a_sample_the_file_is_left_as_it_is(tmp_path: Path, kept: Kept) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    kept.file.start(kept.ready.set)
    await kept.file.stop(30)  # before it is read
    assert (tmp_path / NAME).read_bytes() == DATA


async def test_nodes_of_different_names_share_a_directory(tmp_path: Path) -> None:
    names = ["kyle", "Kyle", "a/b", "../x", "..", "ü" * 128, "ü" * 127 + "o", "a%2Fb", " ", "😀"]
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names)
    for name in files:
        (tmp_path / f"{name}.new").touch()
    assert len(os.listdir(tmp_path)) == len(names)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(DATA)
    path.symlink_to("elsewhere")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "cut in the middle": (lambda path: path.write_bytes(DATA[: len(DATA) // 2]), "it is cut off"),
    "damaged": (lambda path: path.write_bytes(DATA[:-9] + b"X" + DATA[-8:]), "its checksum"),
    "of another version": (
        lambda path: path.write_bytes(DATA[:8] + b"\2" + DATA[9:]),
        "it is of version 2, this agent reads 1",
    ),
    "endless": (
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 33),
        "larger",
    ),
    "a FIFO": (make_fifo, "not a regular file"),
    "a directory": (Path.mkdir, "not a regular file"),
    "a symbolic link": (make_link, "not a regular file"),
    "a socket": (make_socket, "not a regular file"),
}


@pytest.mark.parametrize(("make", "why"), WRONG.values(), ids=WRONG.keys())
async def test_a_file_that_cannot_be_used_is_set_aside_with_one_warning(
    tmp_path: Path,
    kept: Kept,
    logged: Callable[[], list[str]],
    make: Callable[[Path], object],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    make(Path(NAME))
    await kept.start()
    (warning,) = logged()
    assert why in warning
    assert f"set aside as {NAME}.bad" in warning
    kept.sample()
    await kept.file.stop(30)
    assert f"{NAME}.bad" in os.listdir(tmp_path)
    assert (await Kept(tmp_path).start()).points == 1
    assert len(logged()) == 1


async def test_a_file_from_the_future_is_set_aside(
    tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    history = History(1.0)
    file = HistoryFile(
        str(tmp_path), "kyle", history, now=lambda: Moment(0.0, 0.0, WALL + 100 - 3600)
    )
    ready = asyncio.Event()
    file.start(ready.set)
    await ready.wait()
    await file.stop(30)
    assert history.rings[0].known == 0
    assert "from the future, 3600 s ahead" in logged()[0]
    assert (tmp_path / f"{NAME}.bad").read_bytes() == DATA


async def test_of_files_that_are_set_aside_the_last_is_left(tmp_path: Path, kept: Kept) -> None:
    (tmp_path / f"{NAME}.bad").write_bytes(b"first")
    (tmp_path / NAME).write_bytes(b"second")
    await kept.start()
    assert os.listdir(tmp_path) == [f"{NAME}.bad"]
    assert (tmp_path / f"{NAME}.bad").read_bytes() == b"second"


async def test_a_directory_that_is_missing_is_a_warning_at_the_start_and_used_once_it_is_there(
    often: None, tmp_path: Path, logged: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    kept = await Kept(tmp_path / "later").start()
    kept.sample()
    path = tmp_path / "later" / NAME
    expected = f"Cannot keep the history in {path}: No such file or directory"
    assert logged() == [expected]
    (tmp_path / "later").mkdir()
    await eventually(path.exists)
    await eventually(lambda: f"The history is kept again in {path}" in caplog.messages)
    await kept.file.stop(30)
    assert logged() == [expected]


async def test_each_fault_of_the_disk_is_logged_once_until_it_is_another(
    often: None,
    tmp_path: Path,
    kept: Kept,
    logged: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    fault = errno.ENOSPC

    def fsync(fd: int) -> None:
        calls.append(fd)
        raise OSError(fault, os.strerror(fault))

    (tmp_path / NAME).write_bytes(DATA)
    monkeypatch.setattr(os, "fsync", fsync)
    await kept.start()
    await eventually(lambda: len(calls) > 3)
    fault = errno.EIO
    count = len(calls)
    await eventually(lambda: len(calls) > count + 3)
    await kept.file.stop(30)
    assert [text.rpartition(": ")[2] for text in logged()] == [
        "No space left on device",
        "Input/output error",
    ]
    assert (tmp_path / NAME).read_bytes() == DATA
    assert os.listdir(tmp_path) == [NAME], "nothing half written is left"


async def test_a_file_that_was_left_half_written_is_replaced(tmp_path: Path, kept: Kept) -> None:
    (tmp_path / f"{NAME}.new").symlink_to("/etc/passwd")
    await kept.start()
    kept.sample()
    await kept.file.stop(30)
    assert os.listdir(tmp_path) == [NAME]
    assert not (tmp_path / NAME).is_symlink()


async def test_a_disk_that_hangs_at_the_start_is_given_up(
    tmp_path: Path,
    kept: Kept,
    hanging: threading.Event,
    logged: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "READ_WITHIN", 0.05)
    (tmp_path / NAME).write_bytes(DATA)
    await kept.start()
    assert kept.points == 0
    assert logged() == [f"Cannot keep the history in {tmp_path / NAME}: no answer within 0.05 s"]


async def test_a_disk_that_hangs_delays_neither_requests_nor_the_end(
    often: None, tmp_path: Path, hanging: threading.Event, logged: Callable[[], list[str]]
) -> None:
    hanging.set()
    kept = await Kept(tmp_path).start()
    hanging.clear()
    kept.sample()
    await eventually((tmp_path / f"{NAME}.new").exists)
    await kept.file.stop(0.1)
    assert len(threads_of_files()) <= 2
    assert logged()[-1].endswith("no answer within 0.1 s")


async def test_while_a_write_hangs_no_other_is_begun(
    often: None,
    tmp_path: Path,
    hanging: threading.Event,
    logged: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "WRITE_WITHIN", 0.02)
    hanging.set()
    kept = await Kept(tmp_path).start()
    hanging.clear()
    kept.sample()
    await eventually(lambda: len(logged()) == 2)
    assert len(threads_of_files()) == 1
    hanging.set()
    await eventually((tmp_path / NAME).exists)
    await kept.file.stop(30)
    assert [text.rpartition(": ")[2] for text in logged()] == [
        "no answer within 0.02 s",
        "the last attempt has not ended",
    ]


async def test_without_threads_there_is_a_warning(
    kept: Kept, logged: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        await kept.start()
    assert logged()[0].endswith(": can't start new thread")
