"""Host and Origin: which requests are for us, and whose pages may make them."""

import pytest
from websockets.datastructures import Headers

from nodnod_agent.auth.hosts import HostPolicy
from nodnod_client.address import Address

MEMBERS = {Address("10.0.0.6", 7070), Address("stan.example", 7071), Address("::1", 7070)}


@pytest.fixture
def names() -> HostPolicy:
    return HostPolicy(
        ["kyle", "Kyle.Example"],
        MEMBERS.__contains__,
        hosts=["stats.example"],
        origins=["https://wiki.example", "https://grafana.example:3000"],
    )


def headers(*pairs: tuple[str, str]) -> Headers:
    found = Headers()
    for name, value in pairs:
        found[name] = value
    return found


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:7070",
        "10.99.0.1:1",
        "[::1]:7070",
        "[2001:db8::1]",
        "[fe80::1%eth0]:7070",
        "localhost",
        "LOCALHOST:7070",
        "localhost.",
        "kyle:7070",
        "KYLE.example.:7070",
        "stats.example",
    ],
)
def test_literals_and_names_of_ours_are_right(names: HostPolicy, host: str) -> None:
    assert names.host_fault(headers(("Host", host))) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "kyle.evil.example",
        "stan.example:7071",
        "127.0.0.1.evil.example",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost.evil.example:7070",
        "x" * 253,
    ],
)
def test_another_name_is_misdirected_and_the_setting_is_named(names: HostPolicy, host: str) -> None:
    wrong = names.host_fault(headers(("Host", host)))
    assert wrong is not None
    assert wrong[0] == 421
    assert "allowedHosts" in wrong[1]
    assert len(wrong[1]) < 200


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("Host", "")],
        [("Host", "kyle"), ("Host", "kyle")],
        [("Host", "kyle"), ("Host", "evil.example")],
        [("Host", "kyle, kyle")],
        [("Host", "kyle:port")],
        [("Host", "kyle:123456")],
        [("Host", "user@kyle")],
        [("Host", "kyle/x")],
        [("Host", "[::1")],
        [("Host", "::1")],
        [("Host", "k\u00e9nny")],
    ],
)
def test_what_is_not_one_host_is_a_bad_request(
    names: HostPolicy, pairs: list[tuple[str, str]]
) -> None:
    wrong = names.host_fault(headers(*pairs))
    assert wrong is not None
    assert wrong[0] == 400


def origin_fault(names: HostPolicy, host: str, *origins: str, tls: bool = False) -> str:
    pairs = [("Host", host), *(("Origin", origin) for origin in origins)]
    return names.origin_fault(headers(*pairs), tls=tls)


def test_who_sends_no_origin_is_no_page(names: HostPolicy) -> None:
    assert origin_fault(names, "kyle:7070") == ""


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("kyle:7070", "http://kyle:7070"),
        ("kyle:7070", "HTTP://Kyle:7070"),
        ("127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("[::1]:9", "http://[::1]:9"),
        ("stats.example", "https://stats.example"),
        ("stats.example", "http://stats.example"),
        ("stats.example:443", "https://stats.example"),
    ],
)
def test_our_own_pages_may_ask(names: HostPolicy, host: str, origin: str) -> None:
    assert origin_fault(names, host, origin) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "http://10.0.0.6:7070",
        "https://10.0.0.6:7070",
        "http://stan.example:7071",
        "http://[::1]:7070",
    ],
)
def test_pages_of_members_may_ask(names: HostPolicy, origin: str) -> None:
    assert origin_fault(names, "127.0.0.1:7070", origin) == ""


@pytest.mark.parametrize("origin", ["https://wiki.example", "https://grafana.example:3000"])
def test_pages_that_the_configuration_allows_may_ask(names: HostPolicy, origin: str) -> None:
    assert origin_fault(names, "127.0.0.1:7070", origin) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "https://evil.example",
        "http://wiki.example",
        "https://wiki.example:444",
        "https://wiki.example.evil.example",
        "https://wiki.example/",
        "http://127.0.0.1",
        "http://127.0.0.1:7071",
        "http://localhost:7070",
        "http://10.0.0.6",
        "http://10.0.0.6:7071",
        "http://10.0.0.6:7070/",
        "http://10.0.0.6:7070?",
        "http://evil@10.0.0.6:7070",
        "ftp://10.0.0.6:7070",
        "10.0.0.6:7070",
        "http://",
        "http://[::1",
        "http://10.0.0.6:x",
        "http://10.0.0.6:99999",
    ],
)
def test_other_pages_may_not_ask_and_the_setting_is_named(names: HostPolicy, origin: str) -> None:
    fault = origin_fault(names, "127.0.0.1:7070", origin)
    assert "allowedOrigins" in fault
    assert fault.isascii()


def test_a_page_that_came_by_a_name_with_a_dot_at_its_end_may_ask(names: HostPolicy) -> None:
    assert origin_fault(names, "localhost.:7070", "http://localhost.:7070") == ""


def test_two_origins_are_none_that_may_ask(names: HostPolicy) -> None:
    own = "http://127.0.0.1:7070"
    assert origin_fault(names, "127.0.0.1:7070", own, own)
    assert origin_fault(names, "127.0.0.1:7070", own, "https://evil.example")


def test_over_tls_a_plain_page_is_not_our_own(names: HostPolicy) -> None:
    assert origin_fault(names, "kyle:7070", "http://kyle:7070", tls=True)
    assert origin_fault(names, "10.0.0.9", "http://10.0.0.6:7070", tls=True)
    assert origin_fault(names, "kyle:7070", "https://kyle:7070", tls=True) == ""
    assert origin_fault(names, "10.0.0.9", "https://10.0.0.6:7070", tls=True) == ""
