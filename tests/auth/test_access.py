"""What access control reads from the settings, and what the machine's names add."""

import socket
from pathlib import Path
from typing import Any

import pytest
from websockets.datastructures import Headers

from doubles.certificates import Authority
from nodnod_agent.auth.access import Credentials, host_policy, own_origins, read_credentials
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.config.settings import Settings
from nodnod_client.address import Address, parse_address

SECRETS = {
    "A": "a secret of this cluster, and no other",
    "B": "another secret of this same cluster",
}
OWN = Address("10.0.0.5", 7070)
MEMBER = Address("10.0.0.6", 7070)


def test_without_settings_there_are_neither_tokens_nor_tls() -> None:
    assert read_credentials(Settings(name="kyle"), {}) == Credentials(None, None)


def test_secrets_and_certificates_are_read(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue("kyle")
    settings = Settings(name="kyle", auth_secrets=("env:A",), tls_cert=cert, tls_key=key)
    found = read_credentials(settings, SECRETS)
    assert found.tokens is not None
    assert found.tls is not None


def test_used_tokens_stay_used_when_secrets_are_read_again() -> None:
    first = read_credentials(Settings(name="kyle", auth_secrets=("env:A",)), SECRETS)
    settings = Settings(name="kyle", auth_secrets=("env:B", "env:A"))
    second = read_credentials(settings, SECRETS, first)
    assert first.tokens is not None
    assert second.tokens is not None
    assert second.tokens.used is first.tokens.used


def policy(**settings: Any) -> HostPolicy:
    addresses = [OWN, Address("advertised.example", 7070)]
    own = Settings(name="kyle", **settings)
    return host_policy(
        own, addresses, lambda _, host, port: Address(host, port) == MEMBER, "full.example"
    )


def accepts(host: str, **settings: Any) -> bool:
    return policy(**settings).host_error(Headers({"Host": host})) is None


def test_an_agent_has_the_names_of_its_node_its_machine_and_its_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "host.domain")
    for name in ("kyle", "host.domain", "host", "full.example", "advertised.example"):
        assert accepts(name)
    for name in ("domain", "example", "evil.example", "a.full.example"):
        assert not accepts(name)
    assert accepts("db-1.example", nodes=(Address("db-1.example", 7070),))
    assert accepts("seed.example", join=(Address("seed.example", 1),))
    assert accepts("stats.example", allowed_hosts=("stats.example",))


def test_pages_of_our_own_addresses_of_members_and_of_allowed_origins_are_accepted() -> None:
    hosts = policy(allowed_origins=("https://wiki.example",))
    accepted = {"http://10.0.0.5:7070", "http://10.0.0.6:7070", "https://wiki.example"}
    for origin in (*accepted, "http://10.0.0.7:7070"):
        headers = Headers({"Host": "localhost:7070", "Origin": origin})
        assert (hosts.origin_error(headers, tls=False) == "") is (origin in accepted)


def told(listen: str, advertise: str = "10.0.0.5:7070", **settings: Any) -> list[str]:
    own = Settings(name="kyle", **settings)
    return own_origins(own, parse_address(listen), parse_address(advertise), "kyle.full.example")


def test_an_agent_tells_the_names_of_its_pages_that_others_do_not_know_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Kyle")
    assert told("0.0.0.0:7070") == ["kyle.full.example"]
    assert told("10.0.0.4:7070") == ["kyle.full.example", "10.0.0.4"]
    settings = {"allowed_hosts": ("stats.internal",), "allowed_origins": ("https://a.example",)}
    expected = ["kyle.full.example", "stats.internal", "https://a.example"]
    assert told("0.0.0.0:7070", **settings) == expected


def test_behind_a_forwarded_port_an_agent_tells_its_own_port_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "kyle")
    found = told("[::]:7071", "[2001:db8::5]:7070")
    assert {"localhost:7071", "kyle:7071", "kyle.full.example:7071", "kyle.full.example"} <= {
        *found
    }
    assert "[2001:db8::5]:7071" in found


def test_an_agent_tells_at_most_sixteen_names_and_none_that_others_would_refuse() -> None:
    hosts = tuple(f"n{number}.internal" for number in range(20))
    assert len(told("0.0.0.0:7070", allowed_hosts=hosts)) == 16
    assert "chrome-extension://abc" not in told(
        "0.0.0.0:7070", allowed_origins=("chrome-extension://abc",)
    )
