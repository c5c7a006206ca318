"""Real agents over TLS: clusters, new certificates, and peers without TLS."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.certificates import Authority
from eventually import SLACK, eventually
from live.access import Secret, status
from live.asking import reload
from nodnod_agent.console.main import main
from nodnod_client.tls import client_context


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


async def certificate(agent: Agent) -> bytes:
    """The certificate that an agent shows now, verified or not."""
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
        await whole(agent, *names, token=secret.token(), ca=mine)


async def test_certificates_of_nodnod_tls_and_a_secret_make_a_cluster(
    agents: Agents, tmp_path: Path
) -> None:
    secret, names = Secret(tmp_path), ("kyle", "stan", "kenny")
    folder = tmp_path / "tls"
    assert main(("tls", "init", "--dir", str(folder))) == 0
    for name in (*names, "client"):
        assert main(("tls", "node", name, "127.0.0.1", "--dir", str(folder))) == 0

    def tls(name: str) -> dict[str, object]:
        files = {"cert": f"{name}.pem", "key": f"{name}.key", "ca": "ca.pem"}
        paths = {setting: str(folder / file) for setting, file in files.items()}
        return {**paths, "requireClientCert": True}

    cluster = agents.mesh({name: secret.settings(tls=tls(name)) for name in names})

    mine = client_context(str(folder / "ca.pem"))
    mine.verify_flags |= ssl.VERIFY_X509_STRICT
    mine.load_cert_chain(folder / "client.pem", folder / "client.key")
    for agent in cluster:
        await whole(agent, *names, token=secret.token(), ca=mine)
    assert "expires" not in "".join(agent.log() for agent in cluster)


async def test_a_wrong_name_is_logged_with_the_command_that_mends_it(
    agents: Agents, authority: Authority
) -> None:
    tls = {name: authority.settings(name, "db-9.example") for name in ("kyle", "stan")}
    kyle, stan = agents.mesh({name: {"tls": tls[name]} for name in tls})
    remedy = "make one that names it: `nodnod tls node NAME 127.0.0.1`"
    await eventually(lambda: remedy in kyle.log() + stan.log())


async def test_an_expired_certificate_is_told_with_its_dates_by_agents_and_commands(
    agents: Agents, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = (datetime(2024, month, 1, tzinfo=UTC) for month in (2, 5))
    cert, key = authority.issue("old", not_before=first, not_after=last)
    tls = {"cert": cert, "key": key, "ca": authority.ca}
    kyle, stan = agents.mesh({name: {"tls": tls} for name in ("kyle", "stan")})

    await eventually(lambda: "The certificate in tls.cert has expired on 2024-05-01" in kyle.log())
    remedy = "certificate has expired: make a new one with `nodnod tls node NAME ADDRESS…`; here it"
    await eventually(lambda: remedy in kyle.log() + stan.log())
    argv = ("stat", "--server", kyle.address, "--ca", authority.ca)
    assert await asyncio.to_thread(main, argv) == 3
    said = capsys.readouterr().err
    assert remedy in said
    assert "(it is valid from 2024-02-01 to 2024-05-01, and names 127.0.0.1, localhost)" in said


async def test_a_certificate_that_expires_soon_is_warned_of_at_the_start_and_a_reload(
    agents: Agents, tmp_path: Path
) -> None:
    folder = tmp_path / "tls"
    assert main(("tls", "init", "--dir", str(folder), "--days", "20")) == 0
    assert main(("tls", "node", "kyle", "127.0.0.1", "--dir", str(folder), "--days", "9")) == 0
    files = {"cert": "kyle.pem", "key": "kyle.key", "ca": "ca.pem"}
    paths = {setting: str(folder / file) for setting, file in files.items()}
    kyle = agents.start("kyle", settings={"tls": paths})

    for times in (1, 2):
        for said in (
            "The certificate in tls.cert expires in 8 days",
            "The authority in tls.ca expires in 19 days",
        ):
            await eventually(lambda said=said, times=times: kyle.log().count(said) == times)  # type: ignore[misc]
        if times == 1:
            await reload(kyle)


async def test_a_new_certificate_is_used_after_a_reload_and_no_link_is_lost(
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
    assert "Configuration reloaded" in await reload(kyle)
    assert await certificate(kyle) != before
    await whole(kyle, *names, ca=authority.ca)
    assert "Lost connection" not in "".join(agent.log() for agent in cluster)


async def test_a_reload_with_a_broken_certificate_changes_nothing(
    agents: Agents, directory: Path
) -> None:
    authority = Authority(directory, "failing-ca")
    tls = authority.settings("kyle")
    agent = agents.start("kyle", settings={"tls": tls})
    before = await certificate(agent)

    Path(tls["key"]).write_text("garbage")  # noqa: ASYNC240

    assert f"not reloaded, nothing is changed: {agent.config}: tls.key" in await reload(agent)
    assert await certificate(agent) == before


async def test_tls_can_be_turned_on_and_off_by_a_reload(
    agents: Agents, authority: Authority
) -> None:
    agent = agents.start("kyle")
    for tls in ({"tls": authority.settings("kyle")}, {}):
        agent.configure(**tls)
        await reload(agent)
        assert await status(agent, "/healthz") == (400 if tls else 200)


async def test_stuck_tls_clients_do_not_delay_the_end(agents: Agents, authority: Authority) -> None:
    agent = agents.start("kyle", settings={"tls": authority.settings("kyle")})
    silent = [await asyncio.open_connection("127.0.0.1", agent.port) for _ in range(20)]
    context = client_context(authority.ca)
    shaken = [
        await asyncio.open_connection(
            "127.0.0.1", agent.port, ssl=context, server_hostname="127.0.0.1"
        )
        for _ in range(20)
    ]

    assert await agent.stopped(within=2.0 + SLACK) == 0
    for _, writer in silent + shaken:
        writer.transport.abort()
