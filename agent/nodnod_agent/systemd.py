"""Tells the service manager how the agent is: the messages of sd_notify(3), and its watchdog.

Where nobody supervises us (no ``NOTIFY_SOCKET``), nothing here does anything.
"""

import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.membership.roster import Roster

RETRY = 0.1
"""Seconds until the manager is tried again that had no room for a message."""

UNSENT = 16
"""Messages that wait for it at most; the oldest go first, as the newest say what is true now."""

LOOK_EVERY = 10.0
"""Seconds between two looks at the sampler, where no watchdog says how often to look."""

MISSED = 3
"""Intervals without a sample after which the sampler is taken to hang."""

log = logging.getLogger("nodnod")


def census(roster: Roster) -> str:
    """How many nodes there are, and how many of them are down: one short line."""
    others = roster.listing()
    down = sum(not member.up for member in others)
    return f"nodes: {len(others) + 1}, down: {down}"


class NotifySocket(Protocol):
    """What takes messages to the manager."""

    def say(self, message: bytes) -> None:
        """Never waits: raises BlockingIOError if there is no room now, OSError if never."""

    def close(self) -> None:
        """Say no more."""


class SystemdNotifier:
    """Says what ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` of the environment ask for.

    The variables stay where they are: the agent starts no program that could inherit them.
    ``status`` is one line about the agent, asked for with every sample.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: Clock,
        status: Callable[[], str],
        *,
        interval: float,
        pid: int | None = None,
        mouth: Callable[[str], NotifySocket] | None = None,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``interval`` is that of the sampler, ``monotonic`` CLOCK_MONOTONIC in nanoseconds."""
        self._clock = clock
        self._status = status
        self._monotonic = monotonic
        self._mouth = _open(environment.get("NOTIFY_SOCKET", ""), mouth or Datagrams)
        self._limit = 0.0
        if self._mouth is not None:
            self._limit = _watchdog(environment, os.getpid() if pid is None else pid)
        self._every = self._limit / 2 or LOOK_EVERY
        self._patience = max(MISSED * interval, self._every)
        self._newest = 0.0
        self._sampled = clock.time()
        self._hungry = False
        self._told = ""
        self._is_ready = False
        self._unsent: deque[bytes] = deque(maxlen=UNSENT)
        self._complained = False
        self._retry: Timer | None = None
        self._beat: Timer | None = None

    def ready(self) -> None:
        """The agent can be asked; the watchdog runs from now on."""
        if self._mouth is None:
            return
        self._is_ready = True
        self._say("READY=1", self._new_status())
        self._look()

    def sampled(self, taken: float) -> None:
        """A sample that was taken then has come to the event loop: both are alive."""
        if taken == self._newest:  # the one before, with what another thread has added
            return
        self._newest = taken
        self._sampled = self._clock.time()
        if not self._is_ready:
            return
        if self._hungry:
            log.info("There are samples of this machine again")
            self._feed()
        if self._status() != self._told:
            self._say(self._new_status())

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """The settings are read again within; whatever comes of it, the agent is ready after."""
        if self._is_ready:
            # Not the clock of the event loop, which is behind by up to a turn: systemd takes a
            # stamp from before its signal for that of another reload, and waits for ours.
            stamp = self._monotonic() // 1000
            self._say("RELOADING=1", f"MONOTONIC_USEC={stamp}", "STATUS=reading the settings again")
        try:
            yield
        finally:
            if self._is_ready:
                self._say("READY=1", self._new_status())

    def stopping(self) -> None:
        """The agent is about to end; nothing is said after this."""
        if self._mouth is None:
            return
        self._is_ready = False
        if self._beat is not None:
            self._beat.cancel()
        self._say("STOPPING=1", "STATUS=saying goodbye")

    def close(self) -> None:
        """Let go of the socket; what could not be said is not said."""
        if self._retry is not None:
            self._retry.cancel()
        if self._mouth is not None:
            self._mouth.close()
            self._mouth = None

    def _look(self) -> None:
        """Feed the watchdog, as long as samples come.

        An agent whose sampler hangs answers with old numbers as if they were new: then a restart
        is the better answer. A mount that hangs is no reason, since the sampler waits for none.
        """
        now = self._clock.time()
        self._beat = self._clock.call_at(now + self._every, self._look)
        silence = now - self._sampled
        if silence <= self._patience:
            self._feed()
            return
        if not self._hungry:
            self._hungry = True
            bite = "; the watchdog will end the agent" if self._limit else ""
            log.error("No sample of this machine for %.0f s%s", silence, bite)
        self._told = f"no sample of this machine for {silence:.0f} s"
        self._say(f"STATUS={self._told}")

    def _feed(self) -> None:
        self._hungry = False
        # What waits for room would only be older by the time that it is taken.
        if self._limit and not self._unsent:
            self._say("WATCHDOG=1")

    def _new_status(self) -> str:
        self._told = self._status()
        return f"STATUS={self._told}"

    def _say(self, *assignments: str) -> None:
        self._unsent.append("\n".join(assignments).encode())
        if self._retry is None:
            self._flush()

    def _flush(self) -> None:
        self._retry = None
        try:
            while self._unsent and self._mouth is not None:
                self._mouth.say(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            self._retry = self._clock.call_at(self._clock.time() + RETRY, self._flush)
        except OSError as error:
            self._unsent.clear()
            if not self._complained:
                log.warning("Cannot tell the service manager: %s", error.strerror or error)
            self._complained = True
        else:
            self._complained = False


class Datagrams:
    """A datagram socket to a path, or to an abstract name that begins with ``@``."""

    def __init__(self, address: str) -> None:
        """Raises OSError."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def say(self, message: bytes) -> None:
        """See Mouth."""
        # Not connected: the manager may make its socket anew under the same path.
        self._socket.sendto(message, self._address)

    def close(self) -> None:
        """See Mouth."""
        self._socket.close()


def _open(address: str, mouth: Callable[[str], NotifySocket]) -> NotifySocket | None:
    if not address:
        return None
    if not address.startswith(("/", "@")):
        log.warning("NOTIFY_SOCKET: expected a path or @name, got %r", address)
        return None
    try:
        return mouth(address)
    except OSError as error:
        log.warning("Cannot tell the service manager: %s", error.strerror or error)
        return None


def _watchdog(environment: Mapping[str, str], pid: int) -> float:
    """Seconds within which the watchdog must be fed; 0 where there is none for this process."""
    text = environment.get("WATCHDOG_USEC", "")
    if not text:
        return 0.0
    if environment.get("WATCHDOG_PID", "") not in ("", str(pid)):
        log.info("WATCHDOG_PID is another process: the watchdog is not fed")
        return 0.0
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        log.warning("WATCHDOG_USEC: expected microseconds, got %r", text)
        return 0.0
    return int(text) / 1e6
