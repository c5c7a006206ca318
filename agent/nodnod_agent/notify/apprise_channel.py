"""Any other service, through Apprise, in a child process that lives for one message.

Apprise takes 40 MB, and a send that has begun cannot be stopped, but by killing its process.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

from msgspec import DecodeError, json

from nodnod_agent.core.alerts.message import Message
from nodnod_agent.notify.channel import Channel
from nodnod_agent.notify.outgoing import Deadline, Done, Outgoing, SendError
from nodnod_agent.notify.urls import ChannelUrl
from nodnod_client.alerts import Alert

COMMAND = (sys.executable, "-P", "-m", "nodnod_agent.notify.apprise_child")
"""Without the URL: others of this machine see the arguments of a process."""

MAX_RESULT = 4096

_ENVIRONMENT = (
    *("HOME", "LANG", "LC_ALL", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR", "TZ"),
    *("SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""The variables that the child gets: none that holds a secret of the agent's."""


def is_installed() -> bool:
    """Whether Apprise is there, without loading it."""
    return find_spec("apprise") is not None


class Apprise(Channel):
    """Succeeds if Apprise says so."""

    def __init__(self, url: ChannelUrl, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url)
        self._url = url.url
        self._outgoing = Outgoing(loop)

    def send(self, message: Message, done: Done) -> None:
        """Send a message."""
        order = json.encode(
            {
                "url": self._url,
                "title": message.title,
                "body": message.body,
                "type": _type(message.alerts),
            }
        )
        self._outgoing.start(partial(_run, order), done)


def _type(alerts: tuple[Alert, ...]) -> str:
    """The type of a message in Apprise's words, which is its color and picture."""
    firing = {alert.severity for alert in alerts if alert.state == "firing"}
    if not firing:
        return "success"
    return "failure" if "critical" in firing else "warning"


def _run(order: bytes, deadline: Deadline) -> str:
    """Run a child with this order, and kill it and all that it has started. Raises SendError."""
    try:
        process = subprocess.Popen(  # noqa: S603  # a constant command
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,
        )
    except OSError as error:
        what = (error.strerror or "").lower()
        raise SendError(f"cannot start a process for Apprise: {what}") from None
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(order)  # fits into the pipe
            process.stdin.close()
        return _result(_read(process.stdout.fileno(), deadline))
    finally:
        # Before the child is waited for: until then no other group can have its number.
        # macOS refuses where all of them have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def _read(descriptor: int, deadline: Deadline) -> bytes:
    """What the child writes, up to the end. Raises SendError."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    data = b""
    while len(data) < MAX_RESULT:
        if not poll.poll(deadline.left() * 1000):
            raise deadline.passed()
        more = os.read(descriptor, MAX_RESULT)
        if not more:
            break
        data += more
    return data


def _result(data: bytes) -> str:
    try:
        ok, why = json.decode(data, type=tuple[bool, str])
    except DecodeError:
        raise SendError("Apprise has ended without a result") from None
    if not ok:
        raise SendError(why)
    return why
