"""What the settings about access stand for, and what the machine adds to them."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.datastructures import Headers

from doubles.certificates import Authority
from eventually import eventually
from nodnod_agent.auth.access import read_access, read_names
from nodnod_agent.config.settings import Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.net.full_name import look_up_full_name
from nodnod_client.address import Address

SECRETS = {
    "A": "a secret of this cluster, and no other",
    "B": "another secret of this same cluster",
}


def test_without_settings_there_are_neither_tokens_nor_tls() -> None:
    found = read_access(Settings(name="kyle"), {})
    assert found.tokens is None
    assert found.tls is None


def test_secrets_and_certificates_are_read(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue("kyle")
    settings = Settings(name="kyle", auth_secrets=("env:A",), tls_cert=cert, tls_key=key)
    found = read_access(settings, SECRETS)
    assert found.tokens is not None
    assert found.tls is not None


def test_what_has_been_used_stays_so_when_secrets_are_read_again() -> None:
    first = read_access(Settings(name="kyle", auth_secrets=("env:A",)), SECRETS)
    second = read_access(Settings(name="kyle", auth_secrets=("env:B", "env:A")), SECRETS, first)
    assert first.tokens is not None
    assert second.tokens is not None
    assert second.tokens.spent is first.tokens.spent


def test_a_fault_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"^auth\.secrets\[1\]: "):
        read_access(Settings(name="kyle", auth_secrets=("env:A", "env:GONE")), SECRETS)


def called(name: str, **settings: Any) -> bool:
    """Whether an agent with these settings is called so."""
    names = read_names(
        Settings(name="kyle", **settings),
        [Address("10.0.0.5", 7070), Address("advertised.example", 7070)],
        lambda address: address == Address("10.0.0.6", 7070),
        "full.example",
    )
    return names.host_fault(Headers({"Host": name})) is None


def test_an_agent_goes_by_the_names_of_its_node_its_machine_and_its_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "host.domain")
    for name in ("kyle", "host.domain", "host", "full.example", "advertised.example"):
        assert called(name)
    for name in ("domain", "example", "evil.example", "a.full.example"):
        assert not called(name)
    assert called("db-1.example", nodes=(Address("db-1.example", 7070),))
    assert called("seed.example", join=(Address("seed.example", 1),))
    assert called("stats.example", allowed_hosts=("stats.example",))


def test_pages_of_our_own_addresses_of_members_and_of_those_allowed_may_ask() -> None:
    names = read_names(
        Settings(name="kyle", allowed_origins=("https://wiki.example",)),
        [Address("10.0.0.5", 7070)],
        lambda address: address == Address("10.0.0.6", 7070),
    )
    origins = {"http://10.0.0.5:7070", "http://10.0.0.6:7070", "https://wiki.example"}
    for origin in (*origins, "http://10.0.0.7:7070"):
        headers = Headers({"Host": "localhost:7070", "Origin": origin})
        assert (names.origin_fault(headers, tls=False) == "") is (origin in origins)


# The name with the domain.


def answers(monkeypatch: pytest.MonkeyPatch, *canonical: str) -> None:
    where = ("10.0.0.5", 0)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, name, where) for name in canonical]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


async def test_the_full_name_is_told_when_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "kyle.example", "")
    told = asyncio.get_running_loop().create_future()

    look_up_full_name(asyncio.get_running_loop(), told.set_result)

    assert await asyncio.wait_for(told, 10) == "kyle.example"


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("too long"), None])
async def test_no_name_is_told_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        if error is not None:
            raise error
        return []

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    look_up_full_name(asyncio.get_running_loop(), lambda name: pytest.fail(name))

    await eventually(
        lambda: all(thread.name != "nodnod-fullname" for thread in threading.enumerate())
    )
