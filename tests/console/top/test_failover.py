"""``nodnod top`` goes on with another member when its agent is gone."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.harness.agents import Agents
from doubles.certificates import Authority
from doubles.members import row
from doubles.terminal import terminal
from doubles.v2_server import V2Server
from eventually import eventually
from live.access import Secret
from nodnod_agent.console.top.member_client import MemberClient
from nodnod_client.errors import ConnectError
from nodnod_client.messages import MemberInfo, Members


@asynccontextmanager
async def lost(*rows: MemberInfo) -> AsyncIterator[MemberClient]:
    """A client that knows these members besides kyle, and has lost kyle."""
    async with V2Server("kyle") as kyle, MemberClient(kyle.address, timeout=2.0) as client:
        client.learn(Members("kyle", [row("kyle", address=kyle.address), *rows]))
        await kyle.__aexit__()
        await eventually(lambda: not client.connected)
        yield client
        await client.disconnect()


# Whom it asks


async def test_members_that_are_up_come_before_those_that_are_down() -> None:
    async with V2Server("stan") as stan, V2Server("kenny") as kenny:
        rows = row("kenny", "down", address=kenny.address), row("stan", address=stan.address)
        async with lost(*rows) as client:
            await client.connect()
            assert (await client.stat_all()).host == "stan"
            assert client.url == f"ws://{stan.address}/"


async def test_a_member_that_is_down_is_tried_last() -> None:
    async with V2Server("kenny") as kenny:
        dead = row("stan", address="127.0.0.1:1")
        async with lost(dead, row("kenny", "down", address=kenny.address)) as client:
            await client.connect()
            assert (await client.stat_all()).host == "kenny"


@pytest.mark.parametrize(
    "fields",
    [{"state": "left"}, {"version": 1}, {"address": "ws://127.0.0.1:1/x"}, {"address": ":"}],
)
async def test_it_dials_no_address_that_no_member_of_its_kind_advertises(
    fields: dict[str, Any],
) -> None:
    async with V2Server("stan") as stan:
        async with lost(row("stan", **{"address": stan.address} | fields)) as client:
            with pytest.raises(ConnectError, match="connection refused"):
                await client.connect()
        assert not stan.connections


async def test_without_any_the_error_is_that_of_the_agent_that_was_lost() -> None:
    async with lost(row("stan", address="127.0.0.1:1")) as client:
        where = client.url
        with pytest.raises(ConnectError, match=r"refused; no answer from 1 other member$") as error:
            await client.connect()
        assert where in str(error.value)
        assert client.url == where


@pytest.mark.parametrize(
    ("server", "address", "url"),
    [
        ("10.0.0.1:7070", "10.0.0.2:7071", "ws://10.0.0.2:7071/"),
        ("wss://10.0.0.1:7070/nodnod/", "10.0.0.2:7071", "wss://10.0.0.2:7071/"),
        ("10.0.0.1", "[fd00::1]:7070", "ws://[fd00::1]:7070/"),
        ("10.0.0.1", "127.0.0.1:7070", ""),
        ("10.0.0.1", "localhost:7070", ""),
        ("10.0.0.1", "0.0.0.0:7070", ""),
        ("localhost", "127.0.0.1:7071", "ws://127.0.0.1:7071/"),
    ],
)
def test_the_url_of_a_member_has_the_scheme_of_the_agent(
    server: str, address: str, url: str
) -> None:
    client = MemberClient(server)
    client.learn(Members("kyle", [row("stan", address=address)]))
    assert client._up == ((url,) if url else ())


# What is shown, with real agents


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_another_agent_is_asked_and_the_line_of_state_says_so(
    agents: Agents, end: signal.Signals
) -> None:
    kyle, *_ = await agents.cluster("kyle", "stan", "kenny")
    async with terminal(kyle.address, size=(120, 24), every=0.25) as screen:
        await screen.shows("answered by kyle")
        await screen.until(lambda: len(screen.app._client._up) == 2)
        await screen.press("down", "enter")  # the details go on too
        await screen.shows("The last 5 min")
        await kyle.stopped(end)
        await screen.until(lambda: screen.app.model.host in ("stan", "kenny"))
        await screen.press("escape")
        await screen.shows(", going on with ")
        assert "lost kyle at " in screen.text()
        await screen.shows(f"answered by {screen.app.model.host} at ")
        await screen.until(lambda: "DOWN" in screen.row("kyle") or not screen.row("kyle"))


async def test_token_and_certificates_are_kept(agents: Agents, tmp_path: Path) -> None:
    authority, secret = Authority(tmp_path), Secret(tmp_path)
    settings = {"tls": authority.settings("agent")} | secret.settings()
    credentials = {"ca": authority.ca, "token": secret.token()}
    kyle, _ = agents.mesh({"kyle": settings, "stan": settings})
    async with terminal(kyle.address, every=0.25, credentials=credentials) as screen:
        await screen.until(lambda: screen.app._client._up)
        await kyle.stopped()
        await screen.shows("going on with stan")
        assert screen.app._client.url.startswith("wss://")
