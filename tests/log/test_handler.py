"""Log lines: their formats, their rate limit, and a stderr that does not take them."""

import errno
import gc
import json
import logging
import os
import pty
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.log import handler
from nodnod_agent.log.format import LogLine, as_json, as_text, on_terminal, printable
from nodnod_agent.log.handler import LogWriter, to_descriptor
from nodnod_agent.log.rate_limit import LogRateLimit

PATIENCE = 60.0
"""Seconds to wait for a thread that is about to end, on a busy machine."""

LINE = LogLine("WARNING", "nodnod.links", "no answer", time=1767322985.678, since=5.9)


class Log:
    """A logger with a writer whose clock is at ``now``, and the reading end of the writer's pipe."""

    def __init__(self) -> None:
        self.source, self.sink = os.pipe()
        self.now = 0.0
        self.writer = LogWriter(
            self.sink, lambda line: f"{line.level} {line.message}", lambda: self.now
        )
        self.logger = logging.Logger("test", logging.DEBUG)
        self.logger.addHandler(self.writer)
        self.rest = b""

    def line(self) -> str:
        """Wait for the next line."""
        while b"\n" not in self.rest:
            self.rest += os.read(self.source, 65536)
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def end(self) -> list[str]:
        """Stop the writer; return all remaining lines."""
        self.writer.stop(within=PATIENCE)
        os.close(self.sink)
        with open(self.source, "rb", closefd=False) as source:
            return (self.rest + source.read()).decode().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    with suppress(OSError):  # a test may have closed it
        os.close(log.source)  # ends a blocked write
    # The thread must end before the number of its descriptor is used again.
    log.writer.stop(within=PATIENCE)
    with suppress(OSError):
        os.close(log.sink)


# Formats.


def test_on_a_terminal_a_line_begins_with_seconds_since_the_start() -> None:
    assert on_terminal(LINE) == "WARN[0005] no answer"


def test_in_a_file_a_line_begins_with_the_time_in_utc() -> None:
    assert as_text(LINE) == "2026-01-02T03:03:05.678Z WARNING no answer"


def test_as_json_a_line_is_one_object() -> None:
    assert json.loads(as_json(LINE)) == {
        "time": "2026-01-02T03:03:05.678Z",
        "level": "warning",
        "logger": "nodnod.links",
        "message": "no answer",
    }


def test_unprintable_characters_are_escaped() -> None:
    assert printable("a\nb\x1b[2J\u202e\ud800\x00 ü🐱") == "a\\nb\\x1b[2J\\u202e\\ud800\\x00 ü🐱"


@given(st.text(st.characters()))
def test_any_message_makes_one_line(text: str) -> None:
    line = LogLine("INFO", "x", printable(text), 0, 0)
    for form in (as_text, as_json, on_terminal):
        assert len(form(line).splitlines()) == 1
        assert form(line).isprintable()
        form(line).encode()


# Writing.


def test_a_message_is_cut_at_two_thousand_characters(log: Log) -> None:
    log.logger.info("%s", "x" * 5_000_000)
    assert log.line() == "INFO " + "x" * 2000 + "…"


def test_the_traceback_of_an_error_is_indented_so_that_it_does_not_look_like_a_line(
    log: Log,
) -> None:
    log.writer._form = on_terminal
    try:
        raise ValueError("evil\nINFO[0000] forged")
    except ValueError:
        log.logger.exception("broke")
    first, second, *_, forged = log.end()
    assert first == "ERRO[0000] broke"
    assert second == "    Traceback (most recent call last):"
    assert forged == "    INFO[0000] forged"


def test_a_log_call_with_wrong_arguments_is_logged_and_does_not_raise(log: Log) -> None:
    log.logger.info("%d apples", "no")
    assert log.line().startswith("ERROR bad log call: '%d apples': TypeError(")
    log.logger.info("x", extra={"key": []})
    assert log.line().startswith("ERROR bad log call: 'x': TypeError(")


# Repeated messages.


def test_a_warning_is_written_ten_times_a_minute_then_counted(log: Log) -> None:
    for number in range(133):
        log.logger.warning("no answer from %d", number)
    log.logger.warning("something else")
    assert log.end() == [
        *(f"WARNING no answer from {number}" for number in range(10)),
        "WARNING something else",
        "WARNING no answer from 9 … and 123 more like it",
    ]


def test_the_count_is_written_when_the_window_ends(log: Log) -> None:
    log.writer._limiter = LogRateLimit(most=1, window=0.02)
    log.logger.warning("again")
    log.logger.warning("again")
    log.now = 0.02
    assert [log.line(), log.line()] == ["WARNING again", "WARNING again … and 1 more like it"]


def test_the_count_is_written_before_the_next_window_of_the_same_message(log: Log) -> None:
    log.writer._limiter = LogRateLimit(most=1)
    for log.now in (0.0, 1.0, 2.0, 61.0):
        log.logger.warning("at %d", log.now)
    assert log.end() == ["WARNING at 0", "WARNING at 0 … and 2 more like it", "WARNING at 61"]


def test_messages_with_different_keys_are_counted_apart(log: Log) -> None:
    for node in ("kenny", "kyle"):
        for _ in range(11):
            log.logger.warning("could not connect to %s", node, extra={"key": node})
    assert log.end() == [
        *["WARNING could not connect to kenny"] * 10,
        *["WARNING could not connect to kyle"] * 10,
        "WARNING could not connect to kenny … and 1 more like it",
        "WARNING could not connect to kyle … and 1 more like it",
    ]


def test_below_warning_only_messages_with_a_key_are_limited(log: Log) -> None:
    for number in range(50):
        log.logger.info("step %d", number)
        log.logger.info("accepted %d", number, extra={"key": "accepted"})
    lines = log.end()
    assert sum("step" in line for line in lines) == 50
    assert sum("accepted" in line for line in lines) == 11
    assert lines[-1] == "INFO accepted 9 … and 40 more like it"


# A stderr that cannot be written to.


def test_a_pipe_without_a_reader_costs_lines_but_no_time(log: Log) -> None:
    total = 30_000
    for number in range(total):
        log.logger.info("line %05d", number)  # would never return if it waited at all
    written = dropped = 0
    while written + dropped < total:
        note = re.fullmatch(r"WARNING (\d+) log lines? dropped", log.line())
        written, dropped = (written, dropped + int(note[1])) if note else (written + 1, dropped)
    assert written + dropped == total
    assert dropped > 0
    log.logger.info("and on")
    assert log.line() == "INFO and on"


def test_stopping_does_not_wait_for_a_pipe_without_a_reader(log: Log) -> None:
    for number in range(20_000):
        log.logger.info("line %05d", number)
    log.writer.stop(within=0.01)
    assert log.writer._thread.is_alive()
    assert log.writer._thread.daemon


def test_a_non_blocking_pipe_gets_every_line_in_order(log: Log) -> None:
    os.set_blocking(log.sink, False)
    lines = [f"{number} {'x' * 50}" for number in range(3000)]
    for line in lines:  # more than the pipe holds, less than the queue
        log.logger.info(line)
    assert [log.line() for _ in lines] == [f"INFO {line}" for line in lines]


class Disk:
    """A fake ``os.write``: takes ``room`` bytes, then fails until there is more room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""
        self.failed = threading.Semaphore(0)

    def write(self, fd: int, data: bytes) -> int:
        taken = data[: self.room]
        if not taken:
            self.failed.release()
            raise OSError(errno.ENOSPC, "No space left on device")
        self.content += taken
        self.room -= len(taken)
        return len(taken)


def test_lines_lost_to_a_full_disk_are_counted_once_there_is_room(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(room=12)
    monkeypatch.setattr(handler.os, "write", disk.write)
    log.logger.info("one")
    log.logger.info("two")  # of which three bytes fit
    assert disk.failed.acquire(timeout=10)
    log.logger.info("three")
    assert disk.failed.acquire(timeout=10)  # the note about dropped lines
    assert disk.failed.acquire(timeout=10)  # the line
    disk.room = 1000
    log.logger.info("four")
    log.writer.stop(within=PATIENCE)
    assert disk.content == b"INFO one\nINF\nWARNING 2 log lines dropped\nINFO four\n"


def test_the_writer_survives_a_closed_pipe(log: Log) -> None:
    os.close(log.source)
    for number in range(1000):
        log.logger.info("line %d", number)
    log.writer.stop(within=PATIENCE)
    assert not log.writer._thread.is_alive()


# The whole process.


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    source, sink = os.pipe()
    yield source, sink
    os.close(source)
    os.close(sink)


def _written(source: int) -> list[str]:
    for thread in threading.enumerate():
        if thread.name == "log-writer":
            thread.join(PATIENCE)
    os.set_blocking(source, False)
    return os.read(source, 65536).decode().splitlines()


def test_all_loggers_write_to_the_descriptor(pipe: tuple[int, int]) -> None:
    before = (logging.getLogger().level, threading.excepthook, sys.unraisablehook)
    with to_descriptor(pipe[1], log_format="json"):
        logging.getLogger("nodnod.server").info("hello")
        logging.getLogger("nodnod.server").debug("details")
    logging.getLogger("nodnod.server").info("goodbye")
    assert [json.loads(line)["message"] for line in _written(pipe[0])] == ["hello"]
    assert before == (logging.getLogger().level, threading.excepthook, sys.unraisablehook)


def test_debug_shows_details_of_the_agent_only(pipe: tuple[int, int]) -> None:
    with to_descriptor(pipe[1], debug=True):
        logging.getLogger("nodnod.server").debug("details")
        logging.getLogger("websockets.server").error("handshake failed")
        logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    (line,) = _written(pipe[0])
    assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{12}Z DEBUG details", line)


def test_a_terminal_gets_the_short_format() -> None:
    master, slave = pty.openpty()
    with to_descriptor(slave):
        logging.getLogger("nodnod").info("hello")
    assert os.read(master, 1000) == b"INFO[0000] hello\r\n"
    os.close(master)
    os.close(slave)


class Failing:
    def __del__(self) -> None:
        raise ValueError("in __del__")


def _fail() -> None:
    raise ValueError("in a thread")


def test_messages_that_python_would_print_are_logged(pipe: tuple[int, int]) -> None:
    with to_descriptor(pipe[1], log_format="json"):
        thread = threading.Thread(target=_fail, name="sampler")
        thread.start()
        thread.join()
        Failing()
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    thread_line, unraisable, warning = (json.loads(line) for line in _written(pipe[0]))
    assert thread_line["message"] == "Thread sampler ended with an error"
    assert thread_line["traceback"].splitlines()[-1] == "ValueError: in a thread"
    assert "ValueError: in __del__" in unraisable["traceback"]
    assert "DeprecationWarning: old" in warning["message"]
