"""Host and Origin: which requests are for this agent, and which pages may send them."""

import pytest
from websockets.datastructures import Headers

from nodnod_agent.auth.hosts import HostPolicy
from nodnod_client.address import Address

MEMBERS = {Address("10.0.0.6", 7070), Address("stan.example", 7071), Address("::1", 7070)}

POLICY = HostPolicy(
    ["kyle", "Kyle.Example"],
    lambda scheme, host, port: Address(host, port) in MEMBERS,
    hosts=["stats.example"],
    origins=["https://wiki.example", "https://grafana.example:3000"],
)


def headers(*pairs: tuple[str, str]) -> Headers:
    found = Headers()
    for name, value in pairs:
        found[name] = value
    return found


LITERALS = ["127.0.0.1", "127.0.0.1:7070", "10.99.0.1:1", "[::1]:7070", "[2001:db8::1]"]
ZONED = "[fe80::1%eth0]:7070"
OWN_NAMES = ["localhost", "LOCALHOST:7070", "localhost.", "kyle:7070", "KYLE.example.:7070"]


@pytest.mark.parametrize("host", [*LITERALS, ZONED, *OWN_NAMES, "stats.example"])
def test_ip_literals_and_own_names_are_accepted(host: str) -> None:
    assert POLICY.host_error(headers(("Host", host))) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "kyle.evil.example", "stan.example:7071", "127.0.0.1.evil.example"),
        *("127.1", "2130706433", "0x7f000001", "localhost.evil.example:7070", "x" * 253),
    ],
)
def test_another_name_is_misdirected_and_the_error_names_the_setting(host: str) -> None:
    error = POLICY.host_error(headers(("Host", host)))
    assert error is not None
    assert error[0] == 421
    assert "allowedHosts" in error[1]
    assert len(error[1]) < 200


@pytest.mark.parametrize(
    "hosts",
    [
        *([], [""], ["kyle", "kyle"], ["kyle", "evil.example"], ["kyle, kyle"], ["kyle:port"]),
        *(["kyle:123456"], ["user@kyle"], ["kyle/x"], ["[::1"], ["::1"], ["k\u00e9nny"]),
    ],
)
def test_anything_but_one_host_is_a_bad_request(hosts: list[str]) -> None:
    error = POLICY.host_error(headers(*(("Host", host) for host in hosts)))
    assert error is not None
    assert error[0] == 400


def origin_error(host: str, *origins: str, tls: bool = False) -> str:
    pairs = [("Host", host), *(("Origin", origin) for origin in origins)]
    return POLICY.origin_error(headers(*pairs), tls=tls)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        # Pages of this agent.
        ("kyle:7070", "http://kyle:7070"),
        ("kyle:7070", "HTTP://Kyle:7070"),
        ("127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("[::1]:9", "http://[::1]:9"),
        ("stats.example", "https://stats.example"),
        ("stats.example", "http://stats.example"),
        ("stats.example:443", "https://stats.example"),
        ("localhost.:7070", "http://localhost.:7070"),
        # Pages of members.
        ("127.0.0.1:7070", "http://10.0.0.6:7070"),
        ("127.0.0.1:7070", "https://10.0.0.6:7070"),
        ("127.0.0.1:7070", "http://stan.example:7071"),
        ("127.0.0.1:7070", "http://[::1]:7070"),
        # Pages of allowed origins.
        ("127.0.0.1:7070", "https://wiki.example"),
        ("127.0.0.1:7070", "https://grafana.example:3000"),
    ],
)
def test_pages_of_the_agent_members_and_allowed_origins_are_accepted(
    host: str, origin: str
) -> None:
    assert origin_error(host, origin) == ""


def test_a_request_without_an_origin_is_accepted() -> None:
    assert origin_error("kyle:7070") == ""


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "*", "https://evil.example", "http://wiki.example", "http://", "http://[::1"),
        *("https://wiki.example:444", "https://wiki.example.evil.example", "https://wiki.example/"),
        *("http://127.0.0.1", "http://127.0.0.1:7071", "http://localhost:7070"),
        *("http://10.0.0.6", "http://10.0.0.6:7071", "http://10.0.0.6:7070/"),
        *("http://10.0.0.6:7070?", "http://evil@10.0.0.6:7070", "ftp://10.0.0.6:7070"),
        *("10.0.0.6:7070", "http://10.0.0.6:x", "http://10.0.0.6:99999"),
    ],
)
def test_other_pages_are_refused_and_the_error_names_the_setting(origin: str) -> None:
    error = origin_error("127.0.0.1:7070", origin)
    assert "allowedOrigins" in error
    assert error.isascii()


def test_two_origins_are_refused() -> None:
    own = "http://127.0.0.1:7070"
    assert origin_error("127.0.0.1:7070", own, own)
    assert origin_error("127.0.0.1:7070", own, "https://evil.example")


@pytest.mark.parametrize(
    ("host", "page"), [("kyle:7070", "kyle:7070"), ("10.0.0.9", "10.0.0.6:7070")]
)
def test_over_tls_only_https_pages_are_accepted(host: str, page: str) -> None:
    assert origin_error(host, f"http://{page}", tls=True)
    assert origin_error(host, f"https://{page}", tls=True) == ""
