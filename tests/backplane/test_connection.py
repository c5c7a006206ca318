"""The connection to the servers: it comes back whatever happens to them, and nothing piles up."""

import asyncio
import gc
import logging
import time

import pytest

from backplane.conftest import Connect, StartServer
from backplane.servers import NatsServer, Stranger, flood
from eventually import eventually
from nodnod_agent.backplane import client as client_module
from nodnod_agent.backplane import nats as nats_module
from nodnod_agent.backplane.client import MAX_UNSENT, NatsClient, NatsError
from nodnod_client.address import Address

ENDS = ("closed by the server", "connection reset by peer", "broken pipe")
"""How the kernel ends the connections of a process that it kills, by what that has not read."""


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What has been logged, without the ports."""
    return [record.getMessage().partition("nats://127.0.0.1:")[0] for record in caplog.records]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodnod")


async def test_a_killed_server_is_reported_once_and_all_is_subscribed_when_it_is_back(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=(server.url,))
    other, others = connect(backplane=(server.url,))
    other.subscribe("word")
    other.subscribe("gone")
    assert await ones.next() == await others.next() == ("connected",)

    server.kill()
    for reports in (ones, others):
        assert await reports.reason() in {f"{server.url}: {end}" for end in ENDS}
    assert not one.up
    other.subscribe("new")
    other.unsubscribe("gone")
    server.start()

    assert await ones.next() == await others.next() == ("connected",)
    for subject in ("word", "gone", "new"):
        one.publish(subject, b"hello")
    assert await others.next() == ("received", "word", "hello", "")
    assert await others.next() == ("received", "new", "hello", "")
    assert lines(caplog).count("Lost the backplane: ") == 2
    assert sum(line.startswith("The backplane is back after ") for line in lines(caplog)) == 2


async def test_a_server_that_starts_later_is_found(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.reason() == f"{server.url}: connection refused"
    server.start()
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")
    assert lines(caplog) == ["Could not connect to the backplane: ", "Connected to the backplane: "]


async def test_a_server_that_stands_still_is_noticed_and_found_again(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    server.stop_still()
    assert await ones.reason() == f"{server.url}: no answer within 1 s"
    server.go_on()
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")


async def test_an_agent_that_stood_still_itself_does_not_count_that_as_silence(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STALL", 0.2)
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    server.stop_still()
    client = one._client
    assert client is not None
    await eventually(lambda: client._pongs)  # a ping is on its way
    server.go_on()
    time.sleep(1.5)  # noqa: ASYNC251  # the whole event loop stands still
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")


async def test_what_comes_in_faster_than_it_is_handled_is_skipped_by_a_new_connection(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BEHIND", 1.0)
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    with monkeypatch.context() as patch:
        patch.setattr(ones, "received", lambda *_: time.sleep(0.0002))
        # 20 s of work, which a server keeps for who does not take it.
        await asyncio.to_thread(flood, server.port, b"word", 100_000)
        assert await ones.reason() == (
            f"{server.url}: it sends more than this agent can take: what came was 1 s old"
        )
    assert one.counters.lost["slow"] == 1
    assert await ones.next() == ("connected",)
    one.publish("word", b"new")
    assert await ones.next() == ("received", "word", "new", "")


async def test_nothing_is_kept_while_away_and_nothing_stale_is_sent_on_return(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    server.kill()
    await ones.reason()
    for _ in range(10_000):
        one.publish("word", b"stale")
    server.start()
    assert await ones.next() == ("connected",)
    one.publish("word", b"fresh")
    assert await ones.next() == ("received", "word", "fresh", "")


async def test_what_waits_for_a_server_that_stands_still_is_bounded(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=(server.url,))
    assert await ones.next() == ("connected",)
    server.stop_still()
    client = one._client
    assert client is not None
    largest = 0
    while ones.reports.empty():
        for _ in range(64):
            one.publish("word", b"x" * 65_536)
        largest = max(largest, client.pending_data_size)
        await asyncio.sleep(0.01)
    assert await ones.reason() == f"{server.url}: no answer within 1 s"
    assert MAX_UNSENT / 2 < largest < MAX_UNSENT + 65_536
    assert "takes nothing: a message to it is dropped" in caplog.text


@pytest.mark.parametrize("fill", [False, True])
async def test_the_end_does_not_wait_for_a_server_that_stands_still(
    server: NatsServer, connect: Connect, fill: bool
) -> None:
    one, ones = connect(backplane=(server.url,))
    assert await ones.next() == ("connected",)
    server.stop_still()
    if fill:
        for _ in range(200):
            one.publish("word", b"x" * 65_536)
            await asyncio.sleep(0)
    await one.stop()
    assert ones.reports.empty()
    one.publish("word", b"x")
    one.subscribe("word")


async def test_what_is_published_right_before_the_end_is_sent(
    server: NatsServer, connect: Connect
) -> None:
    one, ones = connect(backplane=(server.url,))
    other, others = connect(backplane=(server.url,))
    other.subscribe("word")
    assert await ones.next() == await others.next() == ("connected",)
    one.publish("word", b"goodbye")
    await one.stop()
    assert await others.next() == ("received", "word", "goodbye", "")
    assert ones.reports.empty()


async def test_when_one_of_several_servers_is_killed_another_one_is_taken(
    start_server: StartServer, connect: Connect
) -> None:
    servers = {server.url: server for server in (start_server(), start_server())}
    one, ones = connect(backplane=tuple(servers))
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    assert one._client is not None
    servers[str(one._client.server)].kill()
    await ones.reason()
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")


async def test_where_all_servers_are_away_the_report_names_each(
    start_server: StartServer, connect: Connect
) -> None:
    first, second = start_server(), start_server()
    first.kill()
    second.kill()
    _, ones = connect(backplane=(first.url, second.url))
    reason = await ones.reason()
    assert set(reason.split("; ")) == {
        f"{first.url}: connection refused",
        f"{second.url}: connection refused",
    }


async def test_a_name_that_is_not_found_is_tried_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    _, ones = connect(backplane=("nats://gone:4222",))
    assert await ones.reason() == (
        "nats://gone:4222: the name is not found: name or service not known"
    )


async def test_all_addresses_of_a_name_are_tried(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=("nats://hub:4222",))

    async def look_up(_: Address) -> list[Address]:
        return [Address("127.0.0.1", 1), Address("127.0.0.1", server.port)]

    one._look_up = look_up
    assert await ones.next() == ("connected",)
    says = "nats://hub:4222 (127.0.0.1:1). Error: connection refused"
    assert says in caplog.text
    assert "Connected to the backplane: nats://hub:4222" in caplog.text


async def test_an_error_nobody_has_thought_of_is_logged_and_the_agent_goes_on_trying(
    server: NatsServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    one, ones = connect(backplane=(server.url,))
    look_up = one._look_up

    async def fail_once(address: Address) -> list[Address]:
        one._look_up = look_up
        raise ValueError("unthought")

    one._look_up = fail_once
    assert await ones.next() == ("connected",)
    assert "Internal error in the backplane" in caplog.text


@pytest.mark.parametrize(
    ("greeting", "closes", "says"),
    [
        (b"", True, "it does not speak NATS"),
        (b"220 mail.example ESMTP\r\n", False, "it does not speak NATS"),
        (b"INFO []\r\n", False, ""),
        (b"INFO {\r\n", False, "info message, json parse error"),
        (b"INFO {}\r\n", True, ""),
        (b"INFO {}\r\n+OK\r\n", False, "the server did not confirm the connection"),
        (b"INFO " + b"x" * 200_000, False, ""),
        (b"", False, "no answer within 2 s"),
    ],
)
async def test_a_stranger_in_place_of_a_server_is_reported_and_tried_again(
    connect: Connect, greeting: bytes, closes: bool, says: str
) -> None:
    async with Stranger(greeting, closes=closes) as stranger:
        one, ones = connect(backplane=(stranger.url,))
        reason = await ones.reason()
        assert says in reason
        assert reason.isprintable()
        await eventually(lambda: stranger.visits > 1)
        await one.stop()


async def test_a_cancellation_that_is_lost_delays_the_end_and_no_more(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_module, "CANCEL_AGAIN", 0.01)
    lost, began = [], asyncio.Event()

    async def open_late(client: NatsClient, address: Address) -> None:
        # As `wait_for` of Python 3.11 does, with a result at that moment.
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if lost:
                raise
            lost.append(address)
            raise NatsError("closed by the server") from None

    monkeypatch.setattr(NatsClient, "open", open_late)
    one, _ = connect(backplane=(server.url,))
    await began.wait()
    await one.stop()
    assert len(lost) == 1


async def test_a_server_that_talks_nonsense_once_connected_is_left(connect: Connect) -> None:
    async with Stranger(b"INFO {}\r\nPONG\r\nPONG\r\nMSG nonsense\r\n") as stranger:
        one, ones = connect(backplane=(stranger.url,))
        assert await ones.next() == ("connected",)
        assert await ones.reason()
        await one.stop()


async def test_a_connection_that_is_reset_while_much_is_unsent_is_reported_at_once(
    connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PING_EVERY", 1000.0)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
    async with Stranger(b"INFO {}\r\nPONG\r\nPONG\r\n") as stranger:
        one, ones = connect(backplane=(stranger.url,))
        one.subscribe("word")
        assert await ones.next() == ("connected",)
        stranger.reads.clear()
        client = one._client
        assert client is not None
        while client.pending_data_size < MAX_UNSENT / 2:
            one.publish("word", b"x" * 65_536)
            await asyncio.sleep(0)
        stranger.reset()
        stranger.reads.set()
        assert await ones.reason() in {f"{stranger.url}: {end}" for end in ENDS}
        await one.stop()
    gc.collect()
    assert (failures, [r for r in caplog.records if r.levelno > logging.WARNING]) == ([], [])


async def test_an_error_of_the_handler_does_not_end_the_connection(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
    one, ones = connect(backplane=(server.url,))
    add = ones._add

    def fail(*report: str) -> None:
        add(*report)
        raise RuntimeError("a fault in the core")

    monkeypatch.setattr(ones, "_add", fail)
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    server.kill()
    await ones.reason()
    server.start()
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")
    assert len(failures) == 3
