"""Webhooks, and the heartbeat."""

import asyncio
from functools import partial

import pytest

from doubles.alerts import SINCE, an_alert
from doubles.sink import sink, status
from nodnod_agent.core.alerts.message import compose
from nodnod_agent.notify.http_request import Trust
from nodnod_agent.notify.urls import parse_channel, parse_heartbeat
from nodnod_agent.notify.webhook import Heartbeat, Webhook
from notify.results import Results, sent

KEY = "xoxb-super-secret"


def webhook(address: str) -> Webhook:
    url = parse_channel(f"webhook+http://{address}/{KEY}")
    return Webhook(url, Trust(), asyncio.get_running_loop())


def heartbeat(address: str) -> Heartbeat:
    url = parse_heartbeat(f"http://{address}/{KEY}")
    return Heartbeat(url, Trust(), asyncio.get_running_loop())


async def test_a_webhook_gets_every_field_of_every_alert() -> None:
    alerts = [an_alert(), an_alert("stan", "down", value=None, threshold=None, state="resolved")]
    async with sink() as server:
        channel = webhook(server.address)
        assert await sent(partial(channel.send, compose(alerts))) == (True, "HTTP 200")
        request = await server.next()

    assert (request.method, request.path) == ("POST", f"/{KEY}")
    assert request.headers["Content-Type"] == "application/json"
    common = {"epoch": 1767323045000, "severity": "critical", "since": SINCE, "object": ""}
    text = "memory is nearly full"
    assert request.json == {
        "alerts": [
            {
                **common,
                "node": "kenny",
                "rule": "memory",
                "state": "firing",
                "value": 93.25,
                "threshold": 90.0,
                "text": text,
            },
            {
                **common,
                "node": "stan",
                "rule": "down",
                "state": "resolved",
                "value": None,
                "threshold": None,
                "text": text,
            },
        ]
    }


@pytest.mark.parametrize("code", [200, 201, 202, 204])
async def test_any_status_of_success_counts(code: int) -> None:
    async with sink(status(code)) as server:
        result = await sent(partial(webhook(server.address).send, compose([an_alert()])))
    assert result == (True, f"HTTP {code}")


@pytest.mark.parametrize("code", [400, 404, 429, 500])
async def test_a_failure_is_its_status_and_not_its_text_which_may_repeat_the_path(
    code: int,
) -> None:
    async with sink(status(code, body=f"Cannot POST /{KEY}".encode())) as server:
        result = await sent(partial(webhook(server.address).send, compose([an_alert()])))
    assert result == (False, f"HTTP {code}")


async def test_several_messages_go_out_at_once() -> None:
    gate = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await status(200)(reader, writer)

    results = Results()
    async with sink(behave) as server:
        channel = webhook(server.address)
        for node in ("kenny", "stan"):
            channel.send(compose([an_alert(node)]), results)
        seen = {(await server.next()).json["alerts"][0]["node"] for _ in range(2)}
        assert results.is_empty
        gate.set()
        assert [await results.next() for _ in range(2)] == [(True, "HTTP 200")] * 2
    assert seen == {"kenny", "stan"}


async def test_a_heartbeat_is_a_get_without_a_body() -> None:
    async with sink() as server:
        assert await sent(heartbeat(server.address).send) == (True, "HTTP 200")
        request = await server.next()
    assert (request.method, request.path, request.body) == ("GET", f"/{KEY}", b"")
    assert "Content-Type" not in request.headers


async def test_a_heartbeat_that_is_refused_says_why() -> None:
    async with sink(status(410)) as server:
        assert await sent(heartbeat(server.address).send) == (False, "HTTP 410")
