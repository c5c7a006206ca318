"""``nodnod`` against real agents that refuse it: what it prints, and which flags help."""

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
    """Run the command; gives its status, and all that it prints."""
    for name in ("TOKEN", "CA", "CERT", "KEY", "SERVER"):
        monkeypatch.delenv(f"NODNOD_{name}", raising=False)

    def run(agent: Agent, command: str, *argv: str) -> tuple[int, str]:
        status = main([*command.split(), "--server", agent.address, *argv])
        return status, "".join(capsys.readouterr())

    return run


# Tokens.


@pytest.fixture(scope="module")
def guarded(shared_agents: Agents, secret: Secret) -> Agent:
    return shared_agents.start("cartman", settings=secret.settings())


ASKING = ["stat", "stat --every 1", "members", "members --agree", "check"]


@pytest.mark.parametrize("command", ASKING)
async def test_without_a_good_token_the_message_says_where_to_get_one(
    guarded: Agent, run: Run, other_secret: Secret, command: str
) -> None:
    hint = (
        "(HTTP 401); make a {} with `nodnod token` on a machine that has the secret, "
        "and pass it as --token or NODNOD_TOKEN\n"
    )
    wrong = ("--token", other_secret.token())
    for flags, end in (
        ((), " " + hint.format("token")),
        (wrong, f"not a token of this cluster {hint.format('new token')}"),
    ):
        status, text = await asyncio.to_thread(run, guarded, command, *flags)

        assert status == 3
        assert len(text.splitlines()) == 1
        assert text.endswith(end)


# Certificates.


async def test_without_tls_the_message_says_how_to_use_it(
    shared_agents: Agents, authority: Authority, run: Run
) -> None:
    agent = shared_agents.start("kyle", settings={"tls": authority.settings("plain")})
    status, text = await asyncio.to_thread(run, agent, "stat")
    assert status == 3
    assert text.endswith("(HTTP 400); pass the CA of the cluster as --ca or NODNOD_CA\n")


@pytest.fixture(scope="module")
def strict(shared_agents: Agents, authority: Authority) -> Agent:
    """An agent that requires a certificate of every client."""
    tls = authority.settings("strict", requireClientCert=True)
    return shared_agents.start("strict", settings={"tls": tls})


@pytest.mark.parametrize("command", ["stat", "members", "members --agree", "check"])
async def test_a_certificate_is_accepted_with_its_key_beside_it_or_in_its_file(
    strict: Agent, run: Run, authority: Authority, command: str
) -> None:
    trust = ("--ca", authority.ca)
    cert, key = authority.issue("client")

    assert (await asyncio.to_thread(run, strict, command, *trust))[0] == 3
    for shown in (("--cert", cert, "--key", key), ("--cert", in_one_file(cert, key))):
        assert (await asyncio.to_thread(run, strict, command, *trust, *shown))[0] == 0


def in_one_file(cert: str, key: str) -> str:
    both = Path(cert).with_name("both.pem")
    both.write_bytes(Path(cert).read_bytes() + Path(key).read_bytes())
    return str(both)


# Limits.


@pytest.mark.parametrize("tls", [False, True])
async def test_an_agent_with_too_many_connections_is_recognized_as_an_agent(
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
