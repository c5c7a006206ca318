"""The headers by which agents name themselves in an upgrade."""

import pytest
from websockets.datastructures import Headers

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_client.messages import MAX_MESSAGE, MAX_NAME_LENGTH


@pytest.mark.parametrize(
    "hello",
    [
        Hello(2, "cartman", "0123456789abcdef", "127.0.0.1:7070"),
        Hello(2, "kåre 北京", "x"),
        Hello(2, "100% | <b>", "x", "[fe80::1%eth0]:7070"),
        Hello(2, "a, b; c=d"),
        Hello(2),
        Hello(2, "kyle", limit=65536),
    ],
)
def test_one_agent_reads_what_another_writes(hello: Hello) -> None:
    headers = Headers()

    write_hello(headers, hello)

    assert read_hello(headers, SUBPROTOCOL) == hello


@pytest.mark.parametrize(
    ("values", "name"),
    [(["kyle", "kenny"], "kyle"), (["x" * 1000], "x" * MAX_NAME_LENGTH)],
    ids=["the first of two", "cut to the limit"],
)
def test_a_repeated_or_long_name_is_reduced(values: list[str], name: str) -> None:
    headers = Headers([("NodNod-Name", value) for value in values])

    assert read_hello(headers, SUBPROTOCOL).name == name


@pytest.mark.parametrize("name", ["%0d%0aINFO all is well", "%1b[2J", "%ff", "%zz", "\x80"])
def test_a_name_is_made_printable(name: str) -> None:
    headers = Headers()
    headers.set_insecure("NodNod-Name", name)

    assert read_hello(headers, SUBPROTOCOL).name.isprintable()


@pytest.mark.parametrize("limit", ["", "-1", "1e6", "x", "1" * 13, "٣"])
def test_a_limit_that_is_no_number_is_that_of_older_agents(limit: str) -> None:
    headers = Headers()
    headers.set_insecure("NodNod-Limit", limit)

    assert read_hello(headers, SUBPROTOCOL).limit == MAX_MESSAGE
