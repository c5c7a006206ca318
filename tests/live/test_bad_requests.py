"""Requests that are none: answered with an error, or closed with the code that says why."""

import json
from collections.abc import AsyncIterator

import pytest

from bench.harness.agents import Agent, Agents
from doubles.v1_client import V1Client
from live.raw import BINARY, CONT, PING, RawClient, frame, upgrade

MESSAGE_LIMIT = 16 * 1024


@pytest.fixture(scope="module")
def cartman(shared_agents: Agents) -> Agent:
    return shared_agents.start("cartman")


@pytest.fixture
async def client(cartman: Agent) -> AsyncIterator[RawClient]:
    """A connection that may do as it likes: another one is served all the same."""
    async with V1Client(cartman.address) as other, RawClient(cartman.port) as client:
        await client.shake()
        yield client
        assert [answer["error"] for answer in await other.ask(0, 1)] == ["", ""]


BAD_REQUESTS = [
    ("empty", "", "bad_json", "empty"),
    ("white space", " \n", "bad_json", "empty"),
    ("null", "null", "bad_request", "must be a JSON object, got null"),
    ("a list", "[]", "bad_request", "must be a JSON object, got []"),
    ("a string", '"x"', "bad_request", 'must be a JSON object, got "x"'),
    ("no JSON", "hello", "bad_json", "not JSON"),
    ("cut off", '{"type": 1', "bad_json", "not JSON"),
    ("trailing bytes", '{"type": 1} x', "bad_json", "trailing"),
    ("two documents", '{"type": 1}{"type": 1}', "bad_json", "trailing"),
    ("NaN", '{"timeout": NaN}', "bad_json", "not JSON"),
    ("infinity", '{"timeout": Infinity}', "bad_json", "not JSON"),
    ("a number too large", '{"timeout": 1e999}', "bad_request", "`timeout`"),
    ("deep", '{"a":' + "[" * 8000 + "]" * 8000 + "}", "bad_json", "too deeply"),
    ("deep and open", "[" * MESSAGE_LIMIT, "bad_json", ""),
    ("type as text", '{"type": "1"}', "bad_request", '`type` must be an integer, got "1"'),
    ("type as float", '{"type": 1.5}', "bad_request", "`type` must be an integer, got 1.5"),
    ("type as list", '{"type": []}', "bad_request", "`type` must be an integer, got []"),
    ("unknown type", '{"type": 99}', "unknown_type", "99"),
    ("negative type", '{"type": -1}', "unknown_type", "-1"),
    ("unknown statType", '{"statType": 4}', "bad_request", "`statType` must be 0, 1, 2 or 3"),
    ("long number as id", f'{{"id": {"9" * 4000}}}', "bad_request", "`id` must be"),
    ("id of 54 bits", f'{{"id": {2**53}}}', "bad_request", "`id` must be"),
    ("id of 65 characters", f'{{"id": "{"x" * 65}"}}', "bad_request", "`id` must be"),
    ("id as float", '{"id": 1.5}', "bad_request", "`id` must be"),
    ("id as object", '{"id": {}}', "bad_request", "`id` must be"),
    ("timeout 0", '{"timeout": 0}', "bad_request", "must be between 0.05 and 30, got 0"),
    ("timeout -1", '{"timeout": -1}', "bad_request", "must be between 0.05 and 30, got -1"),
    ("timeout 1e9", '{"timeout": 1e9}', "bad_request", "`timeout` must be between 0.05 and 30"),
    ("timeout as text", '{"timeout": "1"}', "bad_request", "`timeout` must be between"),
    ("nodes as text", '{"type": 1, "nodes": "a"}', "bad_request", "`nodes` must be a list"),
    ("an empty name", '{"type": 1, "nodes": [""]}', "bad_request", "`nodes` must be a list"),
    ("half a surrogate", '{"id": "\\ud800"}', "bad_json", "not JSON"),
]


@pytest.mark.parametrize(
    ("text", "code", "part"), [case[1:] for case in BAD_REQUESTS], ids=[c[0] for c in BAD_REQUESTS]
)
async def test_a_bad_request_is_answered_and_the_connection_goes_on(
    client: RawClient, text: str, code: str, part: str
) -> None:
    await client.send(frame(text), frame('{"id": "next"}'))

    answer = await client.answer()
    following = await client.answer()

    assert answer["code"] == code
    assert part in answer["error"]
    assert (answer["nodes"], following["id"]) == ({}, "next")


async def test_the_answer_to_a_bad_request_has_its_id(client: RawClient) -> None:
    await client.send(frame('{"timeout": -1, "id": "mine"}'))

    assert (await client.answer())["id"] == "mine"


async def test_of_what_was_sent_little_is_echoed(client: RawClient) -> None:
    await client.send(frame(json.dumps({"type": "x" * 16_000})))

    answer = await client.answer()

    assert answer["error"].count("x") <= 200


async def test_unknown_fields_are_ignored(client: RawClient) -> None:
    await client.send(frame('{"type": 0, "colour": "green", "": {}}'))

    assert (await client.answer())["error"] == ""


async def test_null_is_as_good_as_absent(client: RawClient) -> None:
    await client.send(frame('{"type": null, "statType": null, "id": null, "timeout": null}'))

    answer = await client.answer()

    assert list(answer) == ["host", "nodes", "error"]


async def test_ten_bad_requests_in_a_row_close_the_connection(client: RawClient) -> None:
    await client.send(frame("[]") * 10)

    assert [(await client.answer())["code"] for _ in range(10)] == ["bad_request"] * 10
    assert await client.close_code() == 1008


async def test_a_good_request_forgives_the_bad_ones_before(client: RawClient) -> None:
    await client.send((frame("[]") * 9 + frame("{}")) * 5)

    codes = [(await client.answer()).get("code") for _ in range(50)]

    assert codes == ([*["bad_request"] * 9, None]) * 5


BROKEN = {
    "one byte too long": (frame(" " * (MESSAGE_LIMIT + 1)), 1009),
    "a depth of 100,000": (frame("[" * 100_000), 1009),
    "much too long": (frame(" " * 5_000_000), 1009),
    "claims to be huge": (frame(b"x", length=2**62), 1009),
    "pieces too long together": (frame("x" * 9000, fin=False) + frame("x" * 9000, CONT), 1009),
    "binary": (frame(b"{}", BINARY), 1003),
    "not UTF-8": (frame(b'"\xff"'), 1007),
    "half a character": (frame(b'"\xc3'), 1007),
    "a surrogate as bytes": (frame(b'"\xed\xa0\x80"'), 1007),
    "unmasked": (frame("{}", masked=False), 1002),
    "reserved bit 1": (frame("{}", reserved=4), 1002),
    "reserved bit 2": (frame("{}", reserved=2), 1002),
    "reserved bit 3": (frame("{}", reserved=1), 1002),
    "bad opcode": (frame("{}", 3), 1002),
    "bad control opcode": (frame("", 11), 1002),
    "a ping in pieces": (frame("", PING, fin=False), 1002),
    "a ping too long": (frame("x" * 126, PING), 1002),
    "a piece of nothing": (frame("{}", CONT), 1002),
    "a message within a message": (frame("{", fin=False) + frame("{}"), 1002),
    "a bad close code": (frame(b"\x00\x01", 8), 1002),
    "half a close code": (frame(b"\x03", 8), 1002),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_message_closes_the_connection_with_its_code(
    client: RawClient, data: bytes, code: int
) -> None:
    await client.send(data)

    assert await client.close_code() == code


async def test_a_message_of_just_the_limit_is_answered(client: RawClient) -> None:
    await client.send(frame("{}".ljust(MESSAGE_LIMIT)))

    assert (await client.answer())["error"] == ""


async def test_a_message_in_many_pieces_is_answered(client: RawClient) -> None:
    pieces = [frame(character, CONT, fin=False) for character in '{"id": "whole"}']
    pieces[0] = frame("{", fin=False)

    await client.send(*pieces, frame("", CONT))

    assert (await client.answer())["id"] == "whole"


async def test_what_is_sent_before_the_answer_to_the_handshake_is_heard(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(upgrade() + frame('{"id": "early"}'))
        await client.head()

        assert (await client.answer())["id"] == "early"


async def test_every_byte_on_its_own_makes_the_same_request(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        for byte in upgrade() + frame('{"id": "slow"}'):
            await client.send(bytes([byte]))
        await client.head()

        assert (await client.answer())["id"] == "slow"
