"""Sends that may hang: each in a daemon thread of its own, with a deadline.

A name server, a server or a child process may never answer, and nothing can interrupt a thread. The
end of the agent does not wait for daemon threads.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

DEADLINE = 15.0
"""Seconds for one send, from the request to send to the end of the answer."""

AT_ONCE = 4
"""Sends of one channel at a time; a thread that hangs beyond the deadline counts, too."""

WAITING = 16
"""Sends of one channel that wait for those."""

Done = Callable[[bool, str], None]
"""Told in the event loop whether it has been sent, and what the answer was or what is wrong."""


class SendError(Exception):
    """Why a send has failed, in words that show nothing of a URL but its host."""


class Deadline:
    """A moment by which all must be done, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, more than 0. Raises SendError when there are none."""
        left = self._end - monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def passed(self) -> SendError:
        """The error to raise when nothing has come until then."""
        return SendError(f"no answer within {self._seconds:g} s")


Work = Callable[[Deadline], str]
"""A send that blocks; gives what the answer was, or raises SendError."""


class Outgoing:
    """The sends of one channel, which begin in order; with ``at_once`` 1 they end in order, too."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        at_once: int = AT_ONCE,
        seconds: float = DEADLINE,
    ) -> None:
        self._loop = loop
        self._at_once = at_once
        self._seconds = seconds
        self._running = 0
        self._waiting: deque[_Send] = deque()

    def start(self, work: Work, done: Done) -> None:
        """Run ``work`` in a thread; ``done`` is called once, and never during this call."""
        if len(self._waiting) >= WAITING:
            why = f"{WAITING} messages before it wait for an answer"
            self._loop.call_soon(done, False, why)
            return
        send = _Send(work, done, Deadline(self._seconds))
        # The thread keeps to the deadline, too, except where it looks up a name.
        send.timer = self._loop.call_later(self._seconds, self._expire, send)
        self._waiting.append(send)
        self._next()

    def _next(self) -> None:
        while self._waiting and self._running < self._at_once:
            self._running += 1
            self._begin(self._waiting.popleft())

    def _begin(self, send: "_Send") -> None:
        def run() -> None:
            ok, why = send.result()
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._ended, send, ok, why)

        try:
            threading.Thread(target=run, name="nodnod-notify", daemon=True).start()
        except RuntimeError:
            why = "this machine allows no more threads"
            self._loop.call_soon(self._ended, send, False, why)

    def _ended(self, send: "_Send", ok: bool, why: str) -> None:
        self._running -= 1
        self._next()
        send.report(ok, why)

    def _expire(self, send: "_Send") -> None:
        if send in self._waiting:
            self._waiting.remove(send)
        send.report(False, str(send.deadline.passed()))


class _Send:
    """One send; ``timer`` ends the waiting for it."""

    timer: asyncio.TimerHandle

    def __init__(self, work: Work, done: Done, deadline: Deadline) -> None:
        self._work = work
        self._done: Done | None = done
        self.deadline = deadline

    def result(self) -> tuple[bool, str]:
        """Do it. Runs in the thread."""
        try:
            return True, self._work(self.deadline)
        except SendError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - its text or traceback could show the URL
            return False, f"internal error: {type(error).__name__}"

    def report(self, ok: bool, why: str) -> None:
        """Tell how it went, the first time only."""
        self.timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(ok, why)
