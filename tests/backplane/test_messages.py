"""What agents publish reaches those that have subscribed, over a real server."""

import logging

import pytest
from nats.aio.client import Client

from backplane.conftest import Connect, StartServer
from backplane.servers import NatsServer
from eventually import eventually
from nodnod_agent.backplane import client as client_module


async def test_a_message_comes_with_its_subject_and_reply(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    other, others = connect(backplane=(server.url,))
    other.subscribe("nodnod.default.to.b")
    assert await ones.next() == await others.next() == ("connected",)
    assert one.up

    one.publish("nodnod.default.to.b", b"hello", "nodnod.default.to.a")
    one.publish("nodnod.default.to.b", b"")

    subject = "nodnod.default.to.b"
    assert await others.next() == ("received", subject, "hello", "nodnod.default.to.a")
    assert await others.next() == ("received", subject, "", "")


async def test_all_that_is_published_comes_once_and_in_order(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word.*")
    assert await ones.next() == ("connected",)
    for number in range(3000):
        one.publish(f"word.{number % 7}", b"%d" % number)
    found = [await ones.next() for _ in range(3000)]
    assert found == [("received", f"word.{n % 7}", str(n), "") for n in range(3000)]


async def test_a_subscription_made_while_connected_holds_for_what_is_published_after_it(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    assert await ones.next() == ("connected",)
    one.publish("word", b"0")
    one.subscribe("word")
    one.subscribe("word")
    one.publish("word", b"1")
    one.unsubscribe("word")
    one.publish("word", b"2")
    one.subscribe("word")
    one.publish("word", b"3")
    assert await ones.next() == ("received", "word", "3", "")


async def test_what_is_received_before_unsubscribing_is_reported(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")
    one.unsubscribe("word")
    one.unsubscribe("word")
    one.unsubscribe("another")
    one.publish("word", b"2")
    one.subscribe("other")
    one.publish("other", b"3")
    assert await ones.next() == ("received", "other", "3", "")


async def test_a_message_with_a_reply_subject_that_nobody_hears_is_reported(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("to.a")
    assert await ones.next() == ("connected",)
    one.publish("word", b"nobody", "to.a")
    assert await ones.next() == ("unheard", "to.a")
    one.publish("word", b"nobody")
    one.subscribe("word")
    one.publish("word", b"somebody", "to.a")
    assert await ones.next() == ("received", "word", "somebody", "to.a")


async def test_a_message_that_is_too_large_for_the_server_is_dropped_and_logged(
    start_server: StartServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=(start_server("max_payload: 1000").url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    one.publish("word", b"x" * 1001)
    one.publish("word", b"small")
    assert await ones.next() == ("received", "word", "small", "")
    assert "takes no message of 1001 bytes (its max_payload is 1000)" in caplog.text


@pytest.mark.parametrize("error", [ValueError("subject"), IndexError("headers")])
async def test_a_message_that_nats_py_cannot_read_ends_no_connection(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    process = Client._process_msg

    async def fail(client: Client, sid: int, subject: bytes, *rest: bytes) -> None:
        if subject == b"word.bad":
            raise error
        await process(client, sid, subject, *rest)

    monkeypatch.setattr(Client, "_process_msg", fail)
    one, ones = connect(backplane=(server.url,))
    one.subscribe(">")
    assert await ones.next() == ("connected",)
    one.publish("word.bad", b"")
    one.publish("good", b"")
    assert await ones.next() == ("received", "good", "", "")


async def test_what_the_server_does_not_permit_is_logged_and_the_connection_stays(
    start_server: StartServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    permissions = 'permissions: {publish: ["mine", "ok"], subscribe: ["ok"]}'
    server = start_server(f"authorization {{users = [{{user: a, password: b, {permissions}}}]}}")
    settings = {"nats_user": "a", "nats_password": "env:P"}
    one, ones = connect({"P": "b"}, backplane=(server.url,), **settings)
    one.subscribe("ok")
    one.subscribe("foreign")
    assert await ones.next() == ("connected",)
    one.publish("another", b"refused")
    one.publish("ok", b"1")
    assert await ones.next() == ("received", "ok", "1", "")
    await eventually(lambda: 'says: permissions violation for publish to "another"' in caplog.text)
    assert 'says: permissions violation for subscription to "foreign"' in caplog.text
    assert one.up


async def test_messages_that_come_in_faster_than_they_are_handled_are_counted_and_logged(
    server: NatsServer,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "MAX_WAITING_MESSAGES", 1)
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    for _ in range(100):
        one.publish("word", b"x")
    await eventually(lambda: one.counters.lost["slow"] + ones.reports.qsize() == 100)
    assert one.counters.lost["slow"] > 0
    assert "come in too fast: one to word is lost" in caplog.text


async def test_an_error_in_the_handler_is_logged_and_the_next_message_comes(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    one.publish("word", b"\xff")  # not the text that the recorder expects
    one.publish("word", b"good")
    assert await ones.next() == ("received", "word", "good", "")
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info is not None for record in errors] == [True]
