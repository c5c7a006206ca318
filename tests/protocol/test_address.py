import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodnod_client.address import Address, parse_address
from nodnod_client.errors import AddressError

PORT = "port must be 1–65535, got "  # noqa: RUF001


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:7071", "127.0.0.1", 7071),
        ("192.168.20.15", "192.168.20.15", 7070),
        ("localhost", "localhost", 7070),
        ("Kyle.South-Park.example:1", "kyle.south-park.example", 1),
        ("node_1.net_2:65535", "node_1.net_2", 65535),
        ("kyle.:80", "kyle.", 80),
        ("[::1]:7071", "::1", 7071),
        ("[::1]", "::1", 7070),
        ("::1", "::1", 7070),
        ("0:0:0:0:0:0:0:1", "::1", 7070),
        ("[FE80::1%eth0]:9", "fe80::1%eth0", 9),
        ("a:07070", "a", 7070),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "host is missing in ''"),
        (":7070", "host is missing in ':7070'"),
        ("a:", PORT + "''"),
        ("a:0", PORT + "0"),
        ("a:-1", PORT + "-1"),
        ("a:65536", PORT + "65536"),
        ("127.0.0.1:70700", PORT + "70700"),
        ("a:x", PORT + "'x'"),
        ("a: 80", PORT + "' 80'"),
        ("a:٣", PORT + "'٣'"),
        ("a:0000080", PORT + "0000080"),
        ("ws://127.0.0.1:7070/", "expected host:port, not a URL, got 'ws://127.0.0.1:7070/'"),
        ("127.0.0.1:7070/", "expected host:port, not a URL, got '127.0.0.1:7070/'"),
        ("127.0.0.256", "not an IPv4 address: '127.0.0.256'"),
        ("127.1", "not an IPv4 address: '127.1'"),
        ("1:2:3", "not an IPv6 address: '1:2:3'"),
        ("[::1", "expected [v6 address]:port, got '[::1'"),
        ("[::1]7070", "expected [v6 address]:port, got '[::1]7070'"),
        ("[::1]:", PORT + "''"),
        ("[::1]:0", PORT + "0"),
        ("[kyle]:7070", "brackets are only for an IPv6 address, got '[kyle]:7070'"),
        ("fe80::1%", "not an IPv6 address: 'fe80::1%'"),
        ("fe80::1%a\nb", "not an IPv6 address: 'fe80::1%a\\nb'"),
        ("a b:1", "not a host name: 'a b:1'"),
        (" a", "not a host name: ' a'"),
        ("a\n", "not a host name: 'a\\n'"),
        ("-a", "not a host name: '-a'"),
        ("a..b", "not a host name: 'a..b'"),
        ("user@a:1", "not a host name: 'user@a:1'"),
        ("münchen", "not a host name: 'münchen'"),
    ],
)
def test_an_invalid_address_is_refused_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert str(caught.value) == message


def test_port_0_is_for_listening_only() -> None:
    assert parse_address("a:0", any_port=True) == Address("a", 0)
    with pytest.raises(AddressError, match="got 65536"):
        parse_address("a:65536", any_port=True)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert str(Address("::1", 7070)) == "[::1]:7070"
    assert Address("::1", 7070).url == "ws://[::1]:7070/"
    assert Address("kyle", 7070).url == "ws://kyle:7070/"


@pytest.mark.parametrize(
    ("host", "dialable"),
    [
        ("127.0.0.1", True),
        ("10.0.0.255", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("kyle", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("224.0.0.1", False),
        ("ff02::1%eth0", False),
        ("255.255.255.255", False),
    ],
)
def test_an_address_of_no_machine_or_of_many_is_not_dialable(host: str, dialable: bool) -> None:
    assert parse_address(host).dialable is dialable


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | st.from_regex(r"\A[\[\]:a-f0-9.%/-]{0,40}\Z"))
def test_any_text_is_an_address_that_parses_back_or_a_short_error(text: str) -> None:
    fault = ""
    try:
        address = parse_address(text)
    except AddressError as error:
        fault = str(error)
    else:
        assert parse_address(str(address)) == address
    assert fault.isprintable()
    assert len(fault) < 160
