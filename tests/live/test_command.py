"""``nodnod`` before real agents that do not let it in: what it says, and what gets it in."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from doubles.certificates import Authority
from eventually import eventually
from live.access import Secret
from live.raw import RawClient
from nodnod_agent.console.main import main
from nodnod_client.websocket import CLOSED_DURING_HANDSHAKE

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command; gives its status, and all that it prints."""
    for name in ("TOKEN", "CA", "CERT", "KEY", "SERVER"):
        monkeypatch.delenv(f"NODNOD_{name}", raising=False)

    def run(agent: Agent, command: str, *argv: str) -> tuple[int, str]:
        status = main([*command.split(), "--server", agent.address, *argv])
        return status, "".join(capsys.readouterr())

    return run


# Tokens.


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Secret:
    return Secret(tmp_path_factory.mktemp("secret"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Secret:
    return Secret(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def guarded(shared_agents: Agents, secret: Secret) -> Agent:
    return shared_agents.start("cartman", settings=secret.settings())


ASKING = ["stat", "stat --watch 1", "members", "members --agree", "check"]


@pytest.mark.parametrize("command", ASKING)
async def test_who_has_no_token_is_told_where_one_comes_from(
    guarded: Agent, run: Run, command: str
) -> None:
    status, text = await asyncio.to_thread(run, guarded, command)

    assert status == 3
    assert len(text.splitlines()) == 1
    assert text.endswith(
        " (HTTP 401); make a token with `nodnod token` on a machine that has the secret, "
        "and pass it as --token or NODNOD_TOKEN\n"
    )


@pytest.mark.parametrize("command", ASKING)
async def test_who_has_a_wrong_token_is_told_where_another_comes_from(
    guarded: Agent, run: Run, other: Secret, command: str
) -> None:
    status, text = await asyncio.to_thread(run, guarded, command, "--token", other.token())

    assert status == 3
    assert len(text.splitlines()) == 1
    assert text.endswith(
        "not a token of this cluster (HTTP 401); make a new token with `nodnod token` on a "
        "machine that has the secret, and pass it as --token or NODNOD_TOKEN\n"
    )


# Certificates.


@pytest.fixture(scope="module")
def strict(shared_agents: Agents, authority: Authority) -> Agent:
    """An agent that asks everybody for a certificate."""
    tls = authority.settings("strict", requireClientCert=True)
    return shared_agents.start("strict", settings={"tls": tls})


@pytest.mark.parametrize("command", ["stat", "members", "members --agree", "check"])
async def test_a_certificate_lets_one_in_where_all_need_one(
    strict: Agent, run: Run, authority: Authority, command: str
) -> None:
    trust = ("--ca", authority.ca)
    cert, key = authority.issue("client")

    assert (await asyncio.to_thread(run, strict, command, *trust))[0] == 3
    shown = (*trust, "--cert", cert, "--key", key)
    assert (await asyncio.to_thread(run, strict, command, *shown))[0] == 0


async def test_the_key_may_be_in_the_certificates_file(
    strict: Agent, run: Run, authority: Authority
) -> None:
    shown = ("--ca", authority.ca, "--cert", in_one_file(authority))
    assert (await asyncio.to_thread(run, strict, "stat", *shown))[0] == 0


def in_one_file(authority: Authority) -> str:
    both, key = authority.issue("both")
    with Path(both).open("ab") as file:
        file.write(Path(key).read_bytes())
    return both


# Room.


@pytest.mark.parametrize("tls", [False, True])
async def test_an_agent_without_room_is_not_taken_for_something_else(
    agents: Agents, run: Run, authority: Authority, tls: bool
) -> None:
    settings = {"tls": authority.settings("full")} if tls else {}
    full = agents.start("full", settings={"limits": {"connections": 1}, **settings})
    flags = ("--ca", authority.ca) if tls else ()
    async with RawClient(full.port):
        for _ in range(5):
            status, text = await asyncio.to_thread(run, full, "stat", *flags)

            assert status == 3
            assert text.endswith(f": {CLOSED_DURING_HANDSHAKE}\n")
    await eventually(lambda: "1 connections are open" in full.log())
