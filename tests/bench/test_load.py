import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bench.harness.load import IdSender, LoadGenerator, PacedSender, Plan, Sender
from nodnod_client.address import Address

NODE = (
    '"{0}":{{"name":"{0}","cpuUsed":1.0,"diskTotal":2,"diskUsed":1,"diskUsedPercent":50.0,'
    '"memoryTotal":2,"memoryUsed":1,"memoryUsedPercent":50.0,"error":"{1}"}}'
)


def answer(*names: str, node_error: str = "", error: str = "", tail: str = "") -> bytes:
    nodes = ",".join(NODE.format(name, node_error) for name in names)
    return f'{{"host":"a","nodes":{{{nodes}}},"error":"{error}"{tail}}}'.encode()


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


class FakeLoop:
    """Has one timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timer: tuple[float, Callable[..., None], Any] | None = None

    def create_future(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        assert self.timer is None
        self.timer = when, callback, args

    def go_on(self) -> None:
        assert self.timer is not None
        (self.now, callback, args), self.timer = self.timer, None
        callback(*args)


def connected(kind: type[Sender], load: LoadGenerator, loop: Any = None) -> Sender:
    sender = kind(load, loop or asyncio.get_running_loop())
    sender.transport = FakeTransport()  # type: ignore[assignment]
    sender.opened.set_result(None)
    return sender


def frame(text: bytes) -> bytes:
    return b"\x81\x7e" + len(text).to_bytes(2) + text


async def load_of(**plan: object) -> LoadGenerator:
    return LoadGenerator(Plan(server=Address("127.0.0.1", 1), nodes=2, **plan))


@pytest.mark.parametrize(
    ("text", "failed", "invalid"),
    [
        (answer("a", "b"), 0, 0),
        (answer("a"), 0, 1),
        (answer("a", "b", "c"), 0, 1),
        (answer("a", "b", node_error="down"), 0, 1),
        (answer(error="shutting down"), 1, 0),
        (b"not JSON", 0, 1),
    ],
)
async def test_an_answer_is_checked_for_errors_and_for_the_number_of_nodes(text, failed, invalid):
    load = await load_of()
    load.check(text)
    assert (load.outcome.failed, load.outcome.invalid) == (failed, invalid)


async def test_only_bytes_that_equal_a_good_answer_are_not_parsed():
    load = await load_of()
    load.check(answer("a"))
    assert load.known_good == b""
    load.check(answer("a", "b"))
    assert load.known_good == answer("a", "b")


async def test_an_answer_without_a_request_is_invalid():
    load = await load_of()
    sender = Sender(load, asyncio.get_running_loop())
    sender.received(answer("a", "b"))
    assert (load.outcome.invalid, len(load.latencies)) == (1, 0)


async def test_an_answer_with_an_id_that_is_not_in_flight_is_invalid():
    load = await load_of(ids=True, pipeline=2)
    sender = IdSender(load, asyncio.get_running_loop())
    sender.note(1, 0.0)
    for tail in (',"id":0', ',"id":"1"', ""):
        sender.received(answer("a", "b", tail=tail))
    assert (load.outcome.invalid, len(load.latencies)) == (3, 0)


async def test_answers_with_ids_may_come_in_any_order():
    load = await load_of(ids=True, pipeline=2)
    sender = connected(IdSender, load)
    sender.begin(2)
    for slot in (1, 0):
        sender.received(answer("a", "b", tail=f',"id":{slot}'))
    assert (load.outcome.invalid, len(load.latencies)) == (0, 2)
    assert sender.transport.written == [load.frames[slot] for slot in (0, 1, 1, 0)]


async def test_each_answer_of_a_read_is_followed_by_a_request_in_a_write_of_its_own():
    load = await load_of(pipeline=3)
    sender = connected(Sender, load)
    sender.begin(3)
    sender.data_received(2 * frame(answer("a", "b")))
    assert sender.transport.written == [*load.frames, *(2 * load.frames[:1])]


async def test_joined_requests_that_follow_the_answers_of_a_read_are_one_write():
    load = await load_of(pipeline=3, joined=True)
    sender = connected(Sender, load)
    sender.begin(3)
    sender.data_received(2 * frame(answer("a", "b")))
    assert sender.transport.written == [b"".join(load.frames), 2 * load.frames[0]]


async def test_connections_share_the_requests_as_they_are_answered():
    load = await load_of(number=10)
    quick, slow = senders = [connected(Sender, load) for _ in range(2)]
    for sender in senders:
        sender.begin(1)
    for _ in range(9):
        quick.received(answer("a", "b"))
    assert (load.left, quick.served, slow.served) == (0, 9, 0)
    assert (quick.idle, slow.idle) == (True, False)


async def test_a_paced_request_waits_for_its_time_and_not_for_an_answer():
    loop = FakeLoop()
    load = await load_of(number=4, every=0.25)
    sender = connected(PacedSender, load, loop)
    sender.begin(1)
    sender.received(answer("a", "b"))
    assert len(sender.transport.written) == 1
    moments = []
    while loop.timer is not None:
        loop.go_on()
        moments.append(loop.now)
    assert moments == [0.25, 0.5, 0.75]
    assert sender.transport.written == 4 * [load.frames[0]]
    assert len(sender.asked) == 3
