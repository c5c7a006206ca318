"""Prometheus' Alertmanager, by its API v2: every alert and its end to every replica.

Alertmanager takes an alert for ended once its ``endsAt`` has passed on *its* clock. An end that is
still to come there it drops without a word, so that the alert fires on until the end it was told
before. So its clock is read from its answer, and what means something else there is sent again.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from msgspec import DecodeError, json, structs

from nodnod_agent.core.alerts.message import Message
from nodnod_agent.log.format import printable
from nodnod_agent.notify.channel import Channel
from nodnod_agent.notify.http_request import Answer, Trust, request
from nodnod_agent.notify.outgoing import Deadline, Done, Outgoing, SendError
from nodnod_agent.notify.urls import ALERTMANAGER_PATH, ChannelUrl, Endpoint
from nodnod_client.alerts import Alert, Severity

MAX_TOLD = 4096
"""Alerts that are remembered as firing: as many as a cluster has."""

MAX_REASON = 200

_Key = tuple[str, str, str]


class Period(NamedTuple):
    """An alert of one severity, from ``start`` to ``end`` in Unix seconds; None: it fires."""

    alert: Alert
    start: float
    end: float | None


class Alertmanager(Channel):
    """Succeeds when every replica has taken all alerts; they may be sent again at any time."""

    def __init__(
        self,
        url: ChannelUrl,
        trust: Trust,
        loop: asyncio.AbstractEventLoop,
        wall: Callable[[], float],
    ) -> None:
        super().__init__(url)
        self._wall = wall
        self._trust = trust
        # One at a time: a renewal that comes after the end would let the alert fire again.
        self._replicas = {endpoint: Outgoing(loop, at_once=1) for endpoint in url.endpoints}
        self._told: dict[_Key, dict[Severity, float]] = {}
        """When what it was told of began. Severity is a label, so another one is another alert."""

    def send(self, message: Message, done: Done) -> None:
        """Send a message to all replicas. What fires must be sent again within its life."""
        periods = [period for alert in message.alerts for period in self._periods(alert)]

        def report(ok: bool, why: str) -> None:
            if ok:
                self._forget(periods)
            done(ok, why)

        collected = _All(len(self._replicas), report)
        for endpoint, outgoing in self._replicas.items():
            work = partial(_post, endpoint, periods, message.life, self._wall, self._trust)
            outgoing.start(work, partial(collected, endpoint.name))

    def _periods(self, alert: Alert) -> Iterable[Period]:
        """What to tell of one alert: its end, or that it fires, and the end of other severities."""
        key = _key(alert)
        told = self._told.get(key, {})
        if alert.state == "firing":
            self._remember(key, alert)
            yield Period(alert, alert.since, None)
        elif not told:
            told = {alert.severity: alert.since}
        for severity, start in told.items():
            if alert.state == "resolved" or severity != alert.severity:
                yield Period(structs.replace(alert, severity=severity), start, alert.since)

    def _remember(self, key: _Key, alert: Alert) -> None:
        self._told[key] = {**self._told.get(key, {}), alert.severity: alert.since}
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]

    def _forget(self, periods: Iterable[Period]) -> None:
        """Forget what has been ended, unless it has begun again meanwhile."""
        for alert, start, end in periods:
            told = self._told.get(_key(alert), {})
            if end is not None and told.get(alert.severity) == start:
                del told[alert.severity]
                if not told:
                    del self._told[_key(alert)]


class _All:
    """Reports once all replicas have."""

    def __init__(self, replicas: int, done: Done) -> None:
        self._replicas = replicas
        self._done = done
        self._results: list[tuple[str, bool, str]] = []

    def __call__(self, name: str, ok: bool, why: str) -> None:
        self._results.append((name, ok, why))
        if len(self._results) < self._replicas:
            return
        failed = sorted((name, why) for name, ok, why in self._results if not ok)
        if self._replicas == 1 or not failed:
            self._done(not failed, self._results[0][2])
        else:
            reasons = "; ".join(f"{name}: {why}" for name, why in failed)
            self._done(False, f"{len(failed)} of {self._replicas} replicas: {reasons}")


def _key(alert: Alert) -> _Key:
    return alert.address, alert.rule, alert.object


def _post(
    endpoint: Endpoint,
    periods: Sequence[Period],
    life: float,
    wall: Callable[[], float],
    trust: Trust,
    deadline: Deadline,
) -> str:
    """Post the alerts, and once more where the clocks differ too much. Raises SendError."""
    # In whole seconds, as the other clock is known: an end of just now is in its past.
    now = float(int(wall()))
    for theirs in (False, True):
        body = json.encode([_row(period, now, life) for period in periods])
        answer = request(endpoint, "POST", body, trust, deadline)
        if not answer.ok:
            raise SendError(f"{answer.words}{_reason(answer, endpoint)}")
        if theirs or answer.time is None or not _differs(periods, now, life, answer.time):
            break
        now = answer.time
    return answer.words


def _differs(periods: Iterable[Period], now: float, life: float, theirs: float) -> bool:
    """Whether an end is still to come on their clock, or what fires has soon ended there."""
    return any(
        theirs - now > life / 2 if end is None else min(end, now) > theirs for _, _, end in periods
    )


def _row(period: Period, now: float, life: float) -> dict[str, Any]:
    """One alert in the form of the API, which takes no value but text."""
    alert, start, end = period
    last = now + life if end is None else min(end, now)
    labels = {
        "alertname": alert.rule,
        "node": alert.node,
        "instance": alert.address,
        "object": alert.object,
        "severity": alert.severity,
        "job": "nodnod",
    }
    annotations = {"summary": alert.text, "epoch": str(alert.epoch)}
    for name, value in (("value", alert.value), ("threshold", alert.threshold)):
        if value is not None:
            annotations[name] = f"{value:g}"
    return {
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": annotations,
        "startsAt": _rfc3339(min(start, now, last)),
        "endsAt": _rfc3339(last),
    }


def _rfc3339(unix: float) -> str:
    text = datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _reason(answer: Answer, endpoint: Endpoint) -> str:
    """What Alertmanager says is wrong, unless it may be a proxy that repeats a secret path."""
    if endpoint.path != ALERTMANAGER_PATH:
        return ""
    try:
        said = json.decode(answer.text)
    except DecodeError:
        return ""
    text = said.get("message") if isinstance(said, dict) else said
    return f": {printable(text)[:MAX_REASON]}" if isinstance(text, str) else ""
