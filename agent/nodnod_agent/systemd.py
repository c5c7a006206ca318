"""Reports the agent's state to systemd: the messages of sd_notify(3), and the watchdog.

Without ``NOTIFY_SOCKET`` in the environment nothing here has an effect.
"""

import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.membership.roster import Roster

RETRY_DELAY = 0.1
"""Seconds until a message is sent again after the socket had no room for it."""

MAX_UNSENT = 16
"""Messages that may be queued. The oldest are dropped first, as newer ones supersede them."""

CHECK_INTERVAL = 10.0
"""Seconds between two checks of the sampler, if no watchdog sets the interval."""

MISSED_SAMPLES = 3
"""Intervals without a sample after which the sampler counts as stalled."""

log = logging.getLogger("nodnod")


class NotifySocket:
    """A datagram socket that sends to a path, or to an abstract name that begins with ``@``."""

    def __init__(self, address: str) -> None:
        """Raises OSError."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, message: bytes) -> None:
        """Send at once, or raise BlockingIOError without room and OSError for other failures."""
        # Not connected: systemd may create its socket anew at the same path.
        self._socket.sendto(message, self._address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class SystemdNotifier:
    """Sends what ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` in the environment request.

    The variables stay set: the agent starts no program that could inherit them. ``status`` returns
    one line about the agent; it is called with every sample.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: Clock,
        status: Callable[[], str],
        *,
        interval: float,
        pid: int | None = None,
        connect: Callable[[str], NotifySocket] = NotifySocket,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``interval`` is the sampler's; ``monotonic`` returns CLOCK_MONOTONIC in nanoseconds."""
        self._clock = clock
        self._status = status
        self._monotonic = monotonic
        self._socket = _open_socket(environment.get("NOTIFY_SOCKET", ""), connect)
        self._watchdog = 0.0
        if self._socket is not None:
            self._watchdog = _watchdog_seconds(environment, os.getpid() if pid is None else pid)
        self._check_interval = self._watchdog / 2 or CHECK_INTERVAL
        self._max_silence = max(MISSED_SAMPLES * interval, self._check_interval)
        self._newest_sample = 0.0
        self._sampled_at = clock.time()
        self._stalled = False
        self._sent_status = ""
        self._is_ready = False
        self._unsent: deque[bytes] = deque(maxlen=MAX_UNSENT)
        self._failed = False
        self._retry_timer: Timer | None = None
        self._check_timer: Timer | None = None

    def ready(self) -> None:
        """Report that the agent answers requests, and start to feed the watchdog."""
        if self._socket is None:
            return
        self._is_ready = True
        self._send("READY=1", self._new_status())
        self._check()

    def sampled(self, taken: float) -> None:
        """Note that a sample taken at that time has reached the event loop: both are alive."""
        if taken == self._newest_sample:  # the same one, completed by another thread
            return
        self._newest_sample = taken
        self._sampled_at = self._clock.time()
        if not self._is_ready:
            return
        if self._stalled:
            log.info("Samples of this machine arrive again")
            self._feed_watchdog()
        if self._status() != self._sent_status:
            self._send(self._new_status())

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Report that the settings are read again, and that the agent is ready afterwards."""
        if self._is_ready:
            # Not the clock of the event loop, which is behind by up to one iteration: systemd takes
            # a stamp from before its signal for that of another reload, and keeps waiting.
            stamp = self._monotonic() // 1000
            self._send(
                "RELOADING=1", f"MONOTONIC_USEC={stamp}", "STATUS=reading the settings again"
            )
        try:
            yield
        finally:
            if self._is_ready:
                self._send("READY=1", self._new_status())

    def stopping(self) -> None:
        """Report that the agent is about to end. Nothing is sent after this."""
        if self._socket is None:
            return
        self._is_ready = False
        if self._check_timer is not None:
            self._check_timer.cancel()
        self._send("STOPPING=1", "STATUS=stopping")

    def close(self) -> None:
        """Close the socket and drop unsent messages."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _check(self) -> None:
        """Feed the watchdog while samples arrive.

        An agent with a stalled sampler serves old numbers as if they were new: a restart is better.
        A mount that hangs does not count, because the sampler does not wait for mounts.
        """
        now = self._clock.time()
        self._check_timer = self._clock.call_at(now + self._check_interval, self._check)
        silence = now - self._sampled_at
        if silence <= self._max_silence:
            self._feed_watchdog()
            return
        if not self._stalled:
            self._stalled = True
            consequence = "; the watchdog will end the agent" if self._watchdog else ""
            log.error("No sample of this machine for %.0f s%s", silence, consequence)
        self._sent_status = f"no sample of this machine for {silence:.0f} s"
        self._send(f"STATUS={self._sent_status}")

    def _feed_watchdog(self) -> None:
        self._stalled = False
        # With messages queued, this one would be outdated by the time it is sent.
        if self._watchdog and not self._unsent:
            self._send("WATCHDOG=1")

    def _new_status(self) -> str:
        self._sent_status = self._status()
        return f"STATUS={self._sent_status}"

    def _send(self, *assignments: str) -> None:
        self._unsent.append("\n".join(assignments).encode())
        if self._retry_timer is None:
            self._flush()

    def _flush(self) -> None:
        self._retry_timer = None
        try:
            while self._unsent and self._socket is not None:
                self._socket.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            self._retry_timer = self._clock.call_at(self._clock.time() + RETRY_DELAY, self._flush)
        except OSError as error:
            self._unsent.clear()
            if not self._failed:
                log.warning("Cannot notify the service manager: %s", error.strerror or error)
            self._failed = True
        else:
            self._failed = False


def node_counts(roster: Roster) -> str:
    """Return how many nodes the cluster has and how many of them are down, in one short line."""
    others = roster.listing()
    down = sum(not member.up for member in others)
    return f"nodes: {len(others) + 1}, down: {down}"


def _open_socket(address: str, connect: Callable[[str], NotifySocket]) -> NotifySocket | None:
    if not address:
        return None
    if not address.startswith(("/", "@")):
        log.warning("NOTIFY_SOCKET: expected a path or @name, got %r", address)
        return None
    try:
        return connect(address)
    except OSError as error:
        log.warning("Cannot notify the service manager: %s", error.strerror or error)
        return None


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float:
    """Seconds within which the watchdog must be fed; 0 if this process has none."""
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
