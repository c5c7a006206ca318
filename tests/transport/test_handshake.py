"""How agents name themselves in the headers of an upgrade."""

import pytest
from websockets.datastructures import Headers

from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_client.messages import MAX_NAME_LENGTH


@pytest.mark.parametrize(
    "hello",
    [
        Hello(2, "cartman", "0123456789abcdef", "127.0.0.1:7070"),
        Hello(2, "kåre 北京", "x"),
        Hello(2, "100% | <b>", "x", "[fe80::1%eth0]:7070"),
        Hello(2, "a, b; c=d"),
        Hello(2),
    ],
)
def test_what_one_agent_writes_another_reads(hello: Hello) -> None:
    headers = Headers()

    write_hello(headers, hello)

    assert read_hello(headers, SUBPROTOCOL) == hello


def test_a_name_that_is_not_ascii_is_percent_encoded() -> None:
    headers = Headers()

    write_hello(headers, Hello(2, "kåre"))

    assert headers["NodNod-Name"] == "k%C3%A5re"


def test_who_selected_no_subprotocol_is_of_version_1_whatever_it_tells() -> None:
    headers = Headers({"NodNod-Name": "kyle", "NodNod-Instance": "x"})

    assert read_hello(headers, None) == Hello(1)


def test_of_a_header_that_comes_twice_the_first_counts() -> None:
    headers = Headers([("NodNod-Name", "kyle"), ("NodNod-Name", "kenny")])

    assert read_hello(headers, SUBPROTOCOL).name == "kyle"


def test_a_name_too_long_is_cut() -> None:
    headers = Headers({"NodNod-Name": "x" * 1000})

    assert read_hello(headers, SUBPROTOCOL).name == "x" * MAX_NAME_LENGTH


@pytest.mark.parametrize("name", ["%0d%0aINFO all is well", "%1b[2J", "%ff", "%zz", "\x80"])
def test_a_name_that_does_not_print_is_made_to(name: str) -> None:
    headers = Headers()
    headers.set_insecure("NodNod-Name", name)

    assert read_hello(headers, SUBPROTOCOL).name.isprintable()
