"""Real agents over TLS: whole clusters, changes while they run, and those who do not fit."""

import asyncio
import json
import signal
import ssl
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.certificates import Authority
from eventually import eventually
from live.access import Secret, status
from nodnod_agent.console.main import main
from nodnod_client.tls import client_context


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


async def certificate(agent: Agent) -> bytes:
    """The certificate that an agent shows now, whoever vouches for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


@pytest.mark.parametrize("required", [False, True])
async def test_agents_of_one_authority_are_a_cluster(
    agents: Agents, authority: Authority, tmp_path: Path, required: bool
) -> None:
    secret = Secret(tmp_path)
    names = ("kyle", "stan", "kenny")
    tls = {name: authority.settings(name, requireClientCert=required) for name in names}
    cluster = agents.mesh({name: secret.settings(tls=tls[name]) for name in names})

    mine = client_context(authority.ca)
    mine.load_cert_chain(*authority.issue("client"))
    for agent in cluster:
        await eventually(lambda agent=agent: agent.log().count("Connected to node") == 2)
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", agent.port, ssl=mine, server_hostname="127.0.0.1"
            )
            writer.write(
                f"GET /stat/all HTTP/1.1\r\nHost: {agent.address}\r\n"
                f"Authorization: Bearer {secret.token()}\r\n\r\n".encode()
            )
            body = (await reader.read()).partition(b"\r\n\r\n")[2]
            writer.close()
        assert {name: node["error"] for name, node in json.loads(body)["nodes"].items()} == (
            dict.fromkeys(names, "")
        )


async def test_the_command_asks_over_tls(
    agents: Agents,
    authority: Authority,
    stranger: Authority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    agent = agents.start("kyle", settings={"tls": authority.settings("kyle")})

    def stat(*argv: str) -> tuple[int, str]:
        found = main(["stat", "--json", "--server", agent.address, *argv])
        return found, "".join(capsys.readouterr())

    assert (await asyncio.to_thread(stat, "--ca", authority.ca))[0] == 0
    found, text = await asyncio.to_thread(stat, "--ca", stranger.ca)
    assert found == 3
    assert "its certificate is not accepted" in text
    found, text = await asyncio.to_thread(stat)
    assert found == 3
    assert "this port speaks TLS" in text


@pytest.mark.parametrize("tls_first", [False, True])
async def test_who_dials_in_vain_logs_why_and_logs_it_once(
    agents: Agents, authority: Authority, tls_first: bool
) -> None:
    settings = {"tls": authority.settings("kyle")}
    there = agents.start("there", settings=settings if tls_first else {})
    here = agents.start("here", nodes=[there.address], settings={} if tls_first else settings)

    why = "it refuses us: this port speaks TLS" if tls_first else "it does not speak TLS"
    told = f"Could not connect to node: {there.address}. Error: {why}"
    await eventually(lambda: told in here.log())
    if tls_first:
        await eventually(lambda: there.log().count("did not use TLS") >= 3)  # redials
        assert here.log().count("Could not connect") == 1


async def test_a_new_certificate_is_shown_after_sighup_and_nobody_is_disconnected(
    agents: Agents, directory: Path
) -> None:
    authority = Authority(directory, "renewing-ca")
    names = ("kyle", "stan")
    cluster = agents.mesh({name: {"tls": authority.settings(name)} for name in names})
    kyle, _ = cluster
    for agent in cluster:
        await whole(agent, *names, ca=authority.ca)
    before = await certificate(kyle)

    authority.issue("kyle")
    assert await certificate(kyle) == before
    kyle.signal(signal.SIGHUP)

    await eventually(lambda: "Configuration reloaded" in kyle.log())
    assert await certificate(kyle) != before
    await whole(kyle, *names, ca=authority.ca)
    assert "Lost connection" not in "".join(agent.log() for agent in cluster)


async def test_a_certificate_that_cannot_be_read_again_changes_nothing(
    agents: Agents, directory: Path
) -> None:
    authority = Authority(directory, "failing-ca")
    tls = authority.settings("kyle")
    agent = agents.start("kyle", settings={"tls": tls})
    before = await certificate(agent)

    Path(tls["key"]).write_text("garbage")  # noqa: ASYNC240
    agent.signal(signal.SIGHUP)

    await eventually(lambda: "not reloaded, nothing is changed: tls.key" in agent.log())
    assert await certificate(agent) == before


async def test_tls_can_be_turned_on_and_off_while_an_agent_runs(
    agents: Agents, authority: Authority
) -> None:
    agent = agents.start("kyle")
    for count, tls in enumerate(({"tls": authority.settings("kyle")}, {}), 1):
        agent.configure(**tls)
        agent.signal(signal.SIGHUP)
        await eventually(lambda count=count: agent.log().count("reloaded") == count)
        assert await status(agent, "/healthz") == (400 if tls else 200)


async def test_an_agent_over_tls_stops_in_time_whatever_clients_do(
    agents: Agents, authority: Authority
) -> None:
    agent = agents.start("kyle", settings={"tls": authority.settings("kyle")})
    silent = [await asyncio.open_connection("127.0.0.1", agent.port) for _ in range(20)]
    context = client_context(authority.ca)
    shaken = [
        await asyncio.open_connection(
            "127.0.0.1", agent.port, ssl=context, server_hostname="127.0.0.1"
        )
        for _ in range(20)
    ]

    agent.signal(signal.SIGTERM)

    assert await agent.exited(within=2.5) == 0
    for _, writer in silent + shaken:
        writer.transport.abort()
