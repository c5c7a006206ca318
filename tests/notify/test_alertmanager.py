"""What Alertmanager is told, by a server in its place; tests/live asks a real one."""

import asyncio
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from doubles.alerts import SINCE, an_alert
from doubles.sink import Behavior, Sink, close, sink, status
from nodnod_agent.core.alerts.message import LIFE, Message, compose, compose_test
from nodnod_agent.notify.alertmanager import Alertmanager
from nodnod_agent.notify.http_request import Trust
from nodnod_agent.notify.urls import parse_channel
from notify.results import Results, sent

NOW = SINCE + 60
KEY = "super-secret"


class Replicas:
    """A channel to these servers, at a time that the test sets."""

    def __init__(self, *servers: Sink, prefix: str = "") -> None:
        self.now = NOW
        url = parse_channel(f"alertmanager+http://{','.join(s.address for s in servers)}{prefix}")
        loop = asyncio.get_running_loop()
        self.channel = Alertmanager(url, Trust(), loop, lambda: self.now)

    async def tell(self, *alerts: Any) -> tuple[bool, str]:
        return await self.send(compose(alerts))

    async def send(self, message: Message) -> tuple[bool, str]:
        return await sent(partial(self.channel.send, message))


def at(clock: float) -> Behavior:
    """Answer as a server with this clock."""
    return status(200, f"Date: {formatdate(clock, usegmt=True)}")


async def rows(server: Sink) -> list[dict[str, Any]]:
    request = await server.next()
    assert (request.method, request.path) == ("POST", "/api/v2/alerts")
    assert request.headers["Content-Type"] == "application/json"
    found: list[dict[str, Any]] = request.json
    return found


async def times(server: Sink) -> dict[str, tuple[str, str]]:
    """The beginning and the end of what was posted, by severity, without the date."""
    return {
        row["labels"]["severity"]: (row["startsAt"][11:], row["endsAt"][11:])
        for row in await rows(server)
    }


async def test_an_alert_has_labels_that_stay_and_times_with_a_z() -> None:
    async with sink() as server:
        assert await Replicas(server).tell(an_alert(object="/var")) == (True, "HTTP 200")
        (row,) = await rows(server)
    assert row == {
        "labels": {
            "alertname": "memory",
            "node": "kenny",
            "instance": "kenny:7070",
            "object": "/var",
            "severity": "critical",
            "job": "nodnod",
        },
        "annotations": {
            "summary": "memory is nearly full",
            "epoch": "1767323045000",
            "value": "93.25",
            "threshold": "90",
        },
        "startsAt": "2026-01-02T03:04:05.000Z",
        "endsAt": "2026-01-02T03:20:05.000Z",
    }


async def test_what_is_not_known_is_left_out_since_all_values_must_be_text() -> None:
    async with sink() as server:
        await Replicas(server).tell(an_alert(value=None, threshold=None))
        (row,) = await rows(server)
    assert "object" not in row["labels"]
    assert row["annotations"].keys() == {"summary", "epoch"}


async def test_a_renewal_keeps_the_beginning_and_moves_the_end() -> None:
    async with sink() as server:
        replicas = Replicas(server)
        await replicas.tell(an_alert())
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:20:05.000Z")}
        replicas.now += LIFE / 3
        await replicas.tell(an_alert())
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:25:05.000Z")}


async def test_an_end_has_the_time_of_the_change_and_the_beginning_it_was_told_with() -> None:
    async with sink() as server:
        replicas = Replicas(server)
        await replicas.tell(an_alert())
        await rows(server)
        await replicas.tell(an_alert(state="resolved", since=SINCE + 30))
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:04:35.000Z")}


async def test_an_end_of_what_was_told_by_another_run_has_no_length() -> None:
    async with sink() as server:
        await Replicas(server).tell(an_alert(state="resolved"))
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:04:05.000Z")}


async def test_another_severity_ends_the_one_before_once() -> None:
    async with sink() as server:
        replicas = Replicas(server)
        await replicas.tell(an_alert(severity="warning"))
        await rows(server)
        await replicas.tell(an_alert(since=SINCE + 30))
        assert await times(server) == {
            "warning": ("03:04:05.000Z", "03:04:35.000Z"),
            "critical": ("03:04:35.000Z", "03:20:05.000Z"),
        }
        await replicas.tell(an_alert(since=SINCE + 30))
        assert (await times(server)).keys() == {"critical"}
        await replicas.tell(an_alert(state="resolved", since=SINCE + 50))
        assert await times(server) == {"critical": ("03:04:35.000Z", "03:04:55.000Z")}


async def test_an_end_that_was_not_taken_is_told_again() -> None:
    async with sink() as server:
        replicas = Replicas(server)
        await replicas.tell(an_alert(severity="warning"))
        await rows(server)
        server.behavior = status(500)
        await replicas.tell(an_alert(since=SINCE + 30))
        await rows(server)
        server.behavior = status(200)
        await replicas.tell(an_alert(since=SINCE + 30))
        assert (await times(server)).keys() == {"warning", "critical"}
        await replicas.tell(an_alert(since=SINCE + 30))
        assert (await times(server)).keys() == {"critical"}


async def test_a_test_ends_by_itself_after_a_minute() -> None:
    async with sink() as server:
        await Replicas(server).send(compose_test("kenny", "kenny:7070", NOW))
        assert await times(server) == {"warning": ("03:05:05.000Z", "03:06:05.000Z")}


# Clocks


async def test_an_end_of_just_now_is_in_the_past_of_a_clock_that_agrees() -> None:
    async with sink(at(NOW)) as server:
        replicas = Replicas(server)
        replicas.now = NOW + 0.9
        await replicas.tell(an_alert(state="resolved", since=NOW + 0.8))
        assert await times(server) == {"critical": ("03:05:05.000Z", "03:05:05.000Z")}
        assert server.is_empty


async def test_an_end_that_is_still_to_come_on_their_clock_is_told_in_their_time() -> None:
    async with sink(at(NOW - 7)) as server:
        replicas = Replicas(server)
        await replicas.tell(an_alert())
        await rows(server)
        assert server.is_empty, "a beginning need not be told again"
        await replicas.tell(an_alert(state="resolved", since=NOW))
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:05:05.000Z")}
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:04:58.000Z")}
        assert server.is_empty


async def test_what_fires_is_told_in_their_time_where_it_would_have_ended() -> None:
    async with sink(at(NOW + 3600)) as server:
        await Replicas(server).tell(an_alert())
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:20:05.000Z")}
        assert await times(server) == {"critical": ("03:04:05.000Z", "04:20:05.000Z")}
        assert server.is_empty


async def test_a_beginning_that_is_still_to_come_is_now() -> None:
    async with sink() as server:
        await Replicas(server).tell(an_alert(since=NOW + 3600))
        assert await times(server) == {"critical": ("03:05:05.000Z", "03:20:05.000Z")}


# Replicas


async def test_every_replica_is_told_everything() -> None:
    async with sink() as one, sink() as other:
        replicas = Replicas(one, other)
        for state in ("firing", "resolved"):
            assert (await replicas.tell(an_alert(state=state)))[0]
            assert await times(one) == await times(other)


async def test_a_replica_that_fails_is_named_and_the_others_are_told() -> None:
    async with sink() as one, sink(status(503)) as other, sink(close) as third:
        found = await Replicas(one, other, third).tell(an_alert())
        assert len(await rows(one)) == 1
    ok, why = found
    assert not ok
    assert why.startswith("2 of 3 replicas: ")
    assert f"{other.address}: HTTP 503" in why
    assert f"{third.address}: closed without an answer" in why


async def test_a_renewal_never_overtakes_an_end() -> None:
    gate = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await status(200)(reader, writer)

    results = Results()
    async with sink(slow) as server:
        replicas = Replicas(server)
        replicas.channel.send(compose([an_alert()]), results)
        await rows(server)
        replicas.channel.send(compose([an_alert(state="resolved")]), results)
        assert server.is_empty
        gate.set()
        assert [await results.next(), await results.next()] == [(True, "HTTP 200")] * 2
        assert await times(server) == {"critical": ("03:04:05.000Z", "03:04:05.000Z")}


# Refusals


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'"start time must be before end time"\n', ": start time must be before end time"),
        (b'{"code":601,"message":"in body must be of type uri"}', ": in body must be of type uri"),
        (b'"a\\u001b[2J' + b"x" * 500 + b'"', ": a\\x1b[2J" + "x" * 192),
        (b"<html>no such page", ""),
        (b'{"code":601}', ""),
        (b"[1]", ""),
    ],
)
async def test_a_refusal_says_why_where_alertmanager_does(body: bytes, says: str) -> None:
    async with sink(status(400, body=body)) as server:
        assert await Replicas(server).tell(an_alert()) == (False, f"HTTP 400{says}")


async def test_a_reason_is_not_told_where_the_path_may_be_a_secret() -> None:
    body = f'"no route for /{KEY}/api/v2/alerts"'.encode()
    async with sink(status(404, body=body)) as server:
        replicas = Replicas(server, prefix=f"/{KEY}")
        assert await replicas.tell(an_alert()) == (False, "HTTP 404")
