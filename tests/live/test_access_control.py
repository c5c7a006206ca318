"""Real agents with a secret: which requests they accept, and how the secret changes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from eventually import eventually
from live.access import Secret, bearer, status
from live.asking import reload
from live.raw import RawClient, frame, upgrade
from nodnod_client import Client


@pytest.fixture(scope="module")
def guarded(shared_agents: Agents, secret: Secret) -> Agent:
    """An agent with the secret, which tests leave as it is."""
    return shared_agents.start("cartman", settings=secret.settings())


# Agents.


async def test_agents_with_one_secret_are_a_cluster_that_more_can_join(
    agents: Agents, secret: Secret
) -> None:
    kyle, stan = agents.mesh(dict.fromkeys(("kyle", "stan"), secret.settings()))
    kenny = agents.start("kenny", settings=secret.settings(join=[f"localhost:{kyle.port}"]))

    for agent in (kyle, stan, kenny):
        await whole(agent, "kyle", "stan", "kenny", token=secret.token())
    # A page of any member may ask any other.
    origin = f"Origin: http://{stan.address}"
    assert await status(kyle, "/stat", bearer(secret.token()), origin) == 200


# Pages and the log.


async def test_all_pages_but_health_and_the_dashboard_need_a_token(
    guarded: Agent, secret: Secret
) -> None:
    for path in ("/healthz", "/", "/index.html", "/token.js"):
        assert await status(guarded, path) == 200
    for path in ("/stat", "/stat/all", "/members", "/sd", "/metrics", "/metrics/cluster"):
        assert await status(guarded, path) == 401
        assert await status(guarded, path, bearer(secret.token())) == 200


async def test_the_log_shows_no_token_no_secret_and_no_query(
    agents: Agents, secret: Secret
) -> None:
    agent = agents.start("kyle", settings=secret.settings(), flags=["--debug"])
    token = secret.token()
    for header in (bearer(token), f"Sec-WebSocket-Protocol: nodnod.bearer.{token}"):
        await status(agent, "/?private=1", header, websocket=True)
        await status(agent, "/stat?private=1", header + "x")
        await status(agent, f"/?token={token}", header, websocket=True)
    await status(agent, "/stat?private=1", "Host: a\x1b[2Jb")

    assert await agent.stopped() == 0  # so all is written
    assert agent.log().count("Refused client 127.0.0.1") == 4
    for hidden in (token, token.rpartition(".")[2][:20], secret.text, "private", "\x1b"):
        assert hidden not in agent.log()


# Secrets that change.


async def test_a_secret_is_replaced_without_an_outage(
    agents: Agents, secret: Secret, other_secret: Secret
) -> None:
    """Known everywhere, then signed with everywhere, then alone."""
    old, new = secret, other_secret
    cluster = agents.mesh(dict.fromkeys(("kyle", "stan"), old.settings()))
    nodes = [agent.address for agent in cluster]
    for agent in cluster:
        await whole(agent, "kyle", "stan", token=old.token())
    phases = [(old.settings(new), old), (new.settings(old), old), (new.settings(), new)]
    for settings, good in phases:
        for agent in cluster:
            agent.configure(nodes=nodes, **settings)
            assert "Configuration reloaded" in await reload(agent)
            await whole(agent, "kyle", "stan", token=good.token())
    kyle, stan = cluster
    assert await status(kyle, "/stat", bearer(old.token())) == 401
    # Agents that connect now accept each other too.
    stan.kill()
    await stan.restart()
    await whole(kyle, "kyle", "stan", token=new.token())
    assert "Lost connection" not in stan.log()


async def test_a_changed_secret_file_is_read_on_sighup_unless_it_is_unsafe(
    agents: Agents, tmp_path: Path, other_secret: Secret
) -> None:
    secret = Secret(tmp_path)
    agent = agents.start("kyle", settings=secret.settings())
    secret.path.write_text(other_secret.text)
    secret.path.chmod(0o644)
    place = f"{agent.config}: auth.secrets[0]"
    assert f"not reloaded, nothing is changed: {place}" in await reload(agent)
    assert await status(agent, "/stat", bearer(other_secret.token())) == 401
    assert await status(agent, "/stat", bearer(secret.token())) == 200

    secret.path.chmod(0o600)
    assert "Configuration reloaded" in await reload(agent)
    assert await status(agent, "/stat", bearer(other_secret.token())) == 200
    assert await status(agent, "/stat", bearer(secret.token())) == 401


async def test_authentication_can_be_turned_on_and_off_by_a_reload(
    agents: Agents, secret: Secret
) -> None:
    agent = agents.start("kyle", listen="0.0.0.0:0")
    assert await status(agent, "/stat") == 200
    assert agent.log().count("Authentication is off: anyone who reaches") == 1
    for settings, then in ((secret.settings(), 401), ({}, 200), ({}, 200)):
        agent.configure(**settings)
        await reload(agent)
        assert await status(agent, "/stat") == then
    # Once at the start, and once when authentication was turned off.
    assert agent.log().count("Authentication is off: anyone who reaches") == 2


# Faults in the configuration.


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda s: {"auth": {"secrets": [s.text]}}, "auth.secrets[0]: expected env:NAME or file:"),
        (lambda s: (s.path.chmod(0o644), s.settings())[1], "mode 0644, chmod it to 0640"),
        (lambda s: {"tls": {"ca": "/gone"}}, "tls.ca: does nothing without tls.cert"),
    ],
)
async def test_a_fault_in_the_settings_ends_the_agent_with_status_2_and_one_line(
    agents: Agents, tmp_path: Path, spoil: Any, reason: str
) -> None:
    secret = Secret(tmp_path)
    agent = agents.begin("kyle", settings=spoil(secret))

    assert await agent.exited(within=20.0) == 2
    lines = agent.log().splitlines()
    assert len(lines) == 1
    assert reason in lines[0]
    assert secret.text not in agent.log()


# Warnings and costs.


@pytest.mark.parametrize(
    ("listen", "guarded", "warned"),
    [("0.0.0.0:0", False, 1), ("0.0.0.0:0", True, 0), ("127.0.0.1:0", False, 0)],
)
async def test_an_agent_that_is_open_to_the_network_without_a_secret_logs_one_warning(
    agents: Agents, secret: Secret, listen: str, guarded: bool, warned: int
) -> None:
    settings = secret.settings() if guarded else {}
    agent = agents.start("kyle", listen=listen, settings=settings)

    await eventually(lambda: "Starting discovery" in agent.log())  # which is logged after it
    assert agent.log().count("auth.secrets") == warned
    assert agent.log().count("WARNING") == warned


def test_without_a_secret_no_library_of_tokens_is_imported() -> None:
    code = "import sys, nodnod_agent.daemon; print({'jwt', 'cryptography'} & set(sys.modules))"
    paths = os.pathsep.join(path for path in sys.path if path)
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "set()\n"


# Limits and expiry.


async def test_limits_come_from_the_configuration(agents: Agents) -> None:
    limits = {"clientMessage": 1024, "streams": 1, "connections": 2, "handshake": 0.2}
    agent = agents.start("kyle", settings={"limits": limits})
    async with RawClient(agent.port) as client:
        await client.shake()
        await client.send(_frame({"type": 0, "every": 60, "id": 1, "x": "x" * 900}))
        assert (await client.answer())["id"] == 1
        await client.send(_frame({"type": 0, "every": 60, "id": 2}))
        assert (await client.answer())["error"] == "1 streams run on this connection already"
        async with RawClient(agent.port) as second:
            await second.send(upgrade()[:-1])
            assert await second.rest() == b""  # after 0.2 s
        async with RawClient(agent.port) as second, RawClient(agent.port) as third:
            await second.shake()
            assert await third.rest() == b""
        await client.send(_frame({"type": 0, "x": "x" * 1024}))
        assert await client.close_code() == 1009


async def test_a_client_stays_connected_when_its_token_expires(
    guarded: Agent, secret: Secret
) -> None:
    token = secret.token(seconds=2)
    async with Client(guarded.address, token=token) as client:

        async def expired() -> bool:
            return await status(guarded, "/stat", bearer(token)) == 401

        await eventually(expired, within=10.0)
        assert (await client.stat()).host == "cartman"


def _frame(request: dict[str, Any]) -> bytes:
    return frame(json.dumps(request))
