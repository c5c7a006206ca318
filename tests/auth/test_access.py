"""What access control reads from the settings, and what the machine's names add."""

import socket
from pathlib import Path
from typing import Any

import pytest
from websockets.datastructures import Headers

from doubles.certificates import Authority
from nodnod_agent.auth.access import Credentials, host_policy, read_credentials
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.config.settings import Settings
from nodnod_client.address import Address

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
    return host_policy(Settings(name="kyle", **settings), addresses, MEMBER.__eq__, "full.example")


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
