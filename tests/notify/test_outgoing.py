"""Sends that may hang, and what is told of them."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from nodnod_agent.notify.outgoing import AT_ONCE, WAITING, Deadline, Outgoing, SendError
from notify.results import Results

SHORT = 0.05
"""Seconds: what is sent here never answers, so that any deadline passes."""


class Blocker:
    """A send that blocks until it is released, like one that looks up a name."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun = 0

    def __call__(self, deadline: Deadline) -> str:
        self.begun += 1
        self.release.wait()
        return "late"


@pytest.fixture
def blocker() -> Iterator[Blocker]:
    blocker = Blocker()
    yield blocker
    blocker.release.set()


def outgoing(at_once: int = AT_ONCE, seconds: float = 60.0) -> Outgoing:
    return Outgoing(asyncio.get_running_loop(), at_once=at_once, seconds=seconds)


async def test_what_was_answered_is_told_after_the_call_and_in_the_event_loop() -> None:
    threads = []
    results = Results()

    def done(ok: bool, why: str) -> None:
        threads.append(threading.current_thread())
        results(ok, why)

    outgoing().start(lambda _: "HTTP 200", done)

    assert results.is_empty
    assert await results.next() == (True, "HTTP 200")
    assert threads == [threading.current_thread()]


async def test_a_failure_is_told_in_its_own_words() -> None:
    def fail(_: Deadline) -> str:
        raise SendError("connection refused")

    results = Results()
    outgoing().start(fail, results)
    assert await results.next() == (False, "connection refused")


async def test_an_error_of_the_program_shows_nothing_but_its_type() -> None:
    def fail(_: Deadline) -> str:
        raise ValueError("https://secret")

    results = Results()
    outgoing().start(fail, results)
    assert await results.next() == (False, "internal error: ValueError")


async def test_a_send_that_hangs_is_told_at_the_deadline_and_not_again(blocker: Blocker) -> None:
    results = Results()
    sends = outgoing(at_once=1, seconds=SHORT)

    sends.start(blocker, results)
    assert await results.next() == (False, "no answer within 0.05 s")
    blocker.release.set()
    sends.start(lambda _: "next", results)

    assert await results.next() == (True, "next")


async def test_a_send_that_waits_for_one_that_hangs_is_told_at_its_deadline_too(
    blocker: Blocker,
) -> None:
    results = Results()
    sends = outgoing(at_once=1, seconds=SHORT)

    sends.start(blocker, results)
    sends.start(blocker, results)

    assert await results.next() == (False, "no answer within 0.05 s")
    assert await results.next() == (False, "no answer within 0.05 s")
    blocker.release.set()
    sends.start(lambda _: "next", results)
    assert await results.next() == (True, "next")
    assert blocker.begun == 1, "what has expired is not sent any more"


async def test_no_more_than_a_few_run_or_wait_at_a_time(blocker: Blocker) -> None:
    results, refused = Results(), Results()
    sends = outgoing()

    for _ in range(AT_ONCE + WAITING):
        sends.start(blocker, results)
    sends.start(blocker, refused)

    assert refused.is_empty
    assert await refused.next() == (False, "16 messages before it wait for an answer")
    assert blocker.begun <= AT_ONCE
    blocker.release.set()
    for _ in range(AT_ONCE + WAITING):
        assert await results.next() == (True, "late")


async def test_one_at_a_time_are_sent_in_order() -> None:
    results = Results()
    sends = outgoing(at_once=1)
    for number in range(10):
        sends.start(lambda _, number=number: str(number), results)  # type: ignore[misc]
    assert [await results.next() for _ in range(10)] == [(True, str(n)) for n in range(10)]


async def test_a_machine_without_threads_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    results = Results()
    sends = outgoing(at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        sends.start(lambda _: "sent", results)
    assert await results.next() == (False, "this machine allows no more threads")

    sends.start(lambda _: "sent", results)
    assert await results.next() == (True, "sent")


def test_a_loop_that_has_ended_is_told_nothing(blocker: Blocker) -> None:
    async def begin() -> None:
        outgoing().start(blocker, Results())

    asyncio.run(begin())
    before = threading.active_count()
    blocker.release.set()
    for thread in threading.enumerate():
        if thread.name == "nodnod-notify":
            assert thread.daemon
            thread.join()
    assert threading.active_count() <= before


def test_a_deadline_gives_what_is_left_until_it_has_passed() -> None:
    assert 50 < Deadline(60).left() <= 60
    with pytest.raises(SendError, match=r"^no answer within 0 s$"):
        Deadline(0).left()
