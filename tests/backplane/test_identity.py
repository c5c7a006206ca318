"""How an agent proves to a server who it is, and what it sends to whom."""

from typing import Any

import pytest

from backplane.conftest import Connect, StartServer
from backplane.identities import Identity, operated
from backplane.servers import Stranger
from doubles.certificates import Authority
from eventually import eventually
from nodnod_agent.backplane.access import read_access
from nodnod_agent.config.settings import Settings

PLAIN = (
    b'INFO {"server_id": "x", "version": "2.15.1", "headers": true, "auth_required": true, '
    b'"nonce": "abcdefgh", "max_payload": 1048576}\r\n'
)

REFUSED = "it refuses our user, token or key (see nats.user, nats.token, nats.nkey, nats.creds)"
USER = "authorization {users = [{user: agents, password: right}]}"


@pytest.mark.parametrize("kind", ["password", "token", "nkey", "creds"])
async def test_an_agent_that_proves_who_it_is_is_let_in(
    start_server: StartServer, connect: Connect, kind: str
) -> None:
    user = Identity("U")
    creds_config, creds = operated()
    config, secret, settings = {
        "password": (USER, "right", {"nats_user": "agents", "nats_password": "env:S"}),
        "token": ("authorization {token: right}", "right", {"nats_token": "env:S"}),
        "nkey": (
            f"authorization {{users = [{{nkey: {user.public}}}]}}",
            user.seed,
            {"nats_nkey": "env:S"},
        ),
        "creds": (creds_config, creds, {"nats_creds": "env:S"}),
    }[kind]
    server = start_server(config)
    one, ones = connect({"S": secret}, backplane=(server.url,), **settings)
    one.subscribe("word")
    assert await ones.next() == ("connected",)
    one.publish("word", b"1")
    assert await ones.next() == ("received", "word", "1", "")


async def test_a_wrong_password_is_named_and_tried_again_until_it_is_right(
    start_server: StartServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server(USER)
    settings = {"nats_user": "agents", "nats_password": "env:P"}
    _, ones = connect({"P": "left-handed"}, backplane=(server.url,), **settings)
    assert await ones.reason() == f"{server.url}: {REFUSED}"
    server.kill()
    server.configure(USER.replace("right", "left-handed"))
    server.start()
    assert await ones.next() == ("connected",)
    assert "left-handed" not in caplog.text


async def test_an_agent_without_a_proof_is_told_that_it_needs_one(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server(USER)
    _, ones = connect(backplane=(server.url,))
    assert "it lets nobody in without a proof (see nats.user, " in await ones.reason()


async def test_a_password_that_the_server_no_longer_takes_is_named(
    start_server: StartServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server(USER)
    settings = {"nats_user": "agents", "nats_password": "env:P"}
    _, ones = connect({"P": "right"}, backplane=(server.url,), **settings)
    assert await ones.next() == ("connected",)
    server.kill()
    server.configure(USER.replace("right", "another"))
    server.start()
    await ones.reason()
    await eventually(lambda: REFUSED in caplog.text)


def secured(authority: Authority, *, verify: bool = False) -> str:
    """The configuration of a server that speaks TLS."""
    cert, key = authority.issue("server")
    more = f"ca_file: {authority.ca}, verify: true" if verify else ""
    return f"tls {{cert_file: {cert}, key_file: {key}, {more}}}"


async def test_a_server_is_reached_over_tls_with_an_authority_of_its_own(
    start_server: StartServer, connect: Connect, authority: Authority
) -> None:
    server = start_server(f"{secured(authority)}\n{USER}")
    for url in (server.url, server.url.replace("nats:", "tls:")):
        settings = {"nats_ca": authority.ca, "nats_user": "agents", "nats_password": "env:P"}
        one, ones = connect({"P": "right"}, backplane=(url,), **settings)
        one.subscribe("word")
        assert await ones.next() == ("connected",)
        one.publish("word", b"1")
        assert await ones.next() == ("received", "word", "1", "")


async def test_a_server_that_speaks_tls_from_the_first_byte_on_demand_is_reached(
    start_server: StartServer, connect: Connect, authority: Authority
) -> None:
    config = secured(authority).replace("{", "{handshake_first: auto, ")
    server = start_server(config)
    _, ones = connect(backplane=(server.url,), nats_ca=authority.ca)
    assert await ones.next() == ("connected",)


async def test_a_server_may_require_the_certificate_of_an_agent(
    start_server: StartServer, connect: Connect, authority: Authority
) -> None:
    server = start_server(secured(authority, verify=True))
    cert, key = authority.issue("kyle")
    _, ones = connect(backplane=(server.url,), nats_ca=authority.ca)
    assert (await ones.reason()).startswith("tls://127.0.0.1:")
    settings = {"nats_ca": authority.ca, "nats_cert": cert, "nats_key": key}
    _, ones = connect(backplane=(server.url,), **settings)
    assert await ones.next() == ("connected",)


async def test_a_server_with_a_certificate_of_a_stranger_is_refused(
    start_server: StartServer, connect: Connect, authority: Authority, stranger: Authority
) -> None:
    server = start_server(secured(stranger))
    for settings in ({"nats_ca": authority.ca}, {}):
        _, ones = connect(backplane=(server.url,), **settings)
        assert "its certificate is not accepted: " in await ones.reason()


async def test_a_server_whose_certificate_names_another_host_is_refused(
    start_server: StartServer, connect: Connect, authority: Authority
) -> None:
    cert, key = authority.issue("other", "kenny")
    server = start_server(f"tls {{cert_file: {cert}, key_file: {key}}}")
    _, ones = connect(backplane=(server.url,), nats_ca=authority.ca)
    assert "its certificate is not accepted: IP address mismatch" in await ones.reason()


SECRETS: list[tuple[str, dict[str, Any]]] = [
    ("password", {"nats_user": "agents", "nats_password": "env:S"}),
    ("token", {"nats_token": "env:S"}),
    ("nkey", {"nats_nkey": "env:S"}),
    ("creds", {"nats_creds": "env:S"}),
]


@pytest.mark.parametrize(("kind", "settings"), SECRETS)
@pytest.mark.parametrize("by", ["scheme", "ca"])
async def test_a_server_that_must_speak_tls_and_does_not_gets_nothing(
    connect: Connect, authority: Authority, kind: str, settings: dict[str, Any], by: str
) -> None:
    secret = {"nkey": Identity("U").seed, "creds": operated()[1]}.get(kind, "right")
    async with Stranger(PLAIN) as stranger:
        tls = {"nats_ca": authority.ca} if by == "ca" else {}
        url = stranger.url.replace("nats:", "tls:") if by == "scheme" else stranger.url
        one, ones = connect({"S": secret}, backplane=(url,), **settings, **tls)
        assert (await ones.reason()).endswith(": it does not speak TLS: nothing was sent to it")
        await one.stop()
        assert (bytes(stranger.heard), stranger.visits > 0) == (b"", True)


async def test_a_server_that_need_not_speak_tls_gets_the_secret(connect: Connect) -> None:
    async with Stranger(PLAIN + b"PONG\r\n" * 100) as stranger:
        one, ones = connect({"S": "right"}, backplane=(stranger.url,), nats_token="env:S")
        assert await ones.next() == ("connected",)
        await one.stop()
        assert b'"auth_token": "right"' in stranger.heard


def test_a_secret_is_in_no_text_about_the_access() -> None:
    settings = Settings(name="kyle", backplane=("nats://a:4222",), nats_token="env:S")
    access = read_access(settings, {"S": "correct-horse"})
    assert "correct-horse" not in f"{access} {access!r}"
