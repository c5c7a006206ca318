"""A webhook: a POST of the alerts as JSON."""

import asyncio
from functools import partial
from typing import Any

from msgspec import json

from nodnod_agent.core.alerts.message import Message
from nodnod_agent.notify.channel import Channel
from nodnod_agent.notify.http_request import Trust, request
from nodnod_agent.notify.outgoing import Deadline, Done, Outgoing, SendError
from nodnod_agent.notify.urls import ChannelUrl, Endpoint
from nodnod_client.alerts import Alert


class Webhook(Channel):
    """The server counts as told when it answers with a status from 200 to 299."""

    def __init__(self, url: ChannelUrl, trust: Trust, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url)
        (self._endpoint,) = url.endpoints
        self._trust = trust
        self._outgoing = Outgoing(loop)

    def send(self, message: Message, done: Done) -> None:
        """Send a message."""
        body = json.encode({"alerts": [_fields(alert) for alert in message.alerts]})
        self._outgoing.start(partial(ask, self._endpoint, "POST", body, self._trust), done)


class Heartbeat:
    """A GET that tells another service that somebody is alive to tell of problems."""

    def __init__(self, url: ChannelUrl, trust: Trust, loop: asyncio.AbstractEventLoop) -> None:
        self.id = url.id
        self.label = url.label
        (self._endpoint,) = url.endpoints
        self._trust = trust
        self._outgoing = Outgoing(loop)

    def __repr__(self) -> str:
        return f"<Heartbeat {self.label}>"

    def send(self, done: Done) -> None:
        """Ask the URL; ``done`` as for a channel."""
        self._outgoing.start(partial(ask, self._endpoint, "GET", None, self._trust), done)


def ask(
    endpoint: Endpoint, method: str, body: bytes | None, trust: Trust, deadline: Deadline
) -> str:
    """Send one request; gives the status in words. Raises SendError, too where that is no 2xx."""
    answer = request(endpoint, method, body, trust, deadline)
    if not answer.ok:
        # Not the text: many servers repeat the path in it, which is the secret.
        raise SendError(answer.words)
    return answer.words


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "node": alert.node,
        "rule": alert.rule,
        "object": alert.object,
        "epoch": alert.epoch,
        "severity": alert.severity,
        "state": alert.state,
        "value": alert.value,
        "threshold": alert.threshold,
        "since": alert.since,
        "text": alert.text,
    }
