import asyncio

import pytest

from bench.harness.load import IdSender, LoadGenerator, Plan, Sender
from nodnod_client.address import Address

NODE = (
    '"{0}":{{"name":"{0}","cpuUsed":1.0,"diskTotal":2,"diskUsed":1,"diskUsedPercent":50.0,'
    '"memoryTotal":2,"memoryUsed":1,"memoryUsedPercent":50.0,"error":"{1}"}}'
)


def answer(*names: str, node_error: str = "", error: str = "", tail: str = "") -> bytes:
    nodes = ",".join(NODE.format(name, node_error) for name in names)
    return f'{{"host":"a","nodes":{{{nodes}}},"error":"{error}"{tail}}}'.encode()


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
    sender = IdSender(load, asyncio.get_running_loop())
    sender.note(0, 0.0)
    sender.note(1, 0.0)
    for slot in (1, 0):
        sender.received(answer("a", "b", tail=f',"id":{slot}'))
    assert (load.outcome.invalid, len(load.latencies)) == (0, 2)
