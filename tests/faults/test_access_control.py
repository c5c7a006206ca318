"""Wrong tokens, and agents with another secret or certificate than their peers, or without."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from bench.harness.agents import Agent, Agents
from doubles.certificates import Authority
from eventually import eventually
from invariants.harness import FaultHarness, known_node
from invariants.recorder import Pass
from live.access import Secret, bearer, is_down
from live.raw import RawClient
from live.web import request
from nodnod_client.tls import client_context


@pytest.fixture
async def guarded(harness: FaultHarness, shared_agents: Agents, secret: Secret) -> Agent:
    """An agent with a secret, watched by a client with a token of it."""
    if not shared_agents.started:
        shared_agents.start("cartman", settings=secret.settings())
    (cartman,) = shared_agents.started
    await harness.watch(cartman, entry=Pass(secret.token()))
    return cartman


async def watch_apart(harness: FaultHarness, entries: dict[Agent, Pass]) -> None:
    """Watch agents that are configured with each other and cannot connect."""
    for agent, entry in entries.items():
        others = [known_node(other) for other in entries if other is not agent]
        await harness.watch(agent, harmed=others, entry=entry)


# Tokens.


async def test_a_thousand_wrong_tokens_harm_no_other_client(
    guarded: Agent, other_secret: Secret
) -> None:
    wrong = request("/stat", "GET", bearer(other_secret.token()))
    for _ in range(20):
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(RawClient(guarded.port)) for _ in range(50)]
            await asyncio.gather(*(client.send(wrong) for client in clients))
            assert {await client.status() for client in clients} == {401}


async def test_agents_with_another_secret_or_none_do_not_connect_and_say_why(
    harness: FaultHarness, secret: Secret, other_secret: Secret
) -> None:
    settings = {"kyle": secret.settings(), "mallory": other_secret.settings(), "butters": {}}
    kyle, mallory, butters = harness.mesh(settings)
    mine, theirs = secret.token(), other_secret.token()
    await watch_apart(harness, {kyle: Pass(mine), mallory: Pass(theirs), butters: Pass()})

    foreign = "it refuses us: not a token of this cluster (HTTP 401)"
    unproved = "it does not prove that it knows the cluster's secret"
    nameless = "it requires authentication: set auth.secrets (HTTP 401)"
    await is_down(kyle, mallory, foreign, token=mine)
    await is_down(mallory, kyle, foreign, token=theirs)
    await is_down(kyle, butters, unproved, token=mine)
    await is_down(mallory, butters, unproved, token=theirs)
    await is_down(butters, kyle, nameless)
    await is_down(butters, mallory, nameless)
    for agent in (kyle, mallory, butters):
        assert "Connected to node" not in agent.log()


# TLS.


async def test_agents_with_and_without_tls_do_not_connect_and_say_why(
    harness: FaultHarness, authority: Authority
) -> None:
    settings = {"kyle": {"tls": authority.settings("kyle")}, "stan": {}}
    kyle, stan = harness.mesh(settings)
    await watch_apart(harness, {kyle: Pass(tls=client_context(authority.ca)), stan: Pass()})

    refused = "it refuses us: this port speaks TLS: dial it with wss:// or https (HTTP 400)"
    await is_down(stan, kyle, refused)
    await is_down(kyle, stan, "it does not speak TLS", ca=authority.ca)


async def test_an_agent_with_a_foreign_certificate_does_not_connect_and_says_why(
    harness: FaultHarness, authority: Authority, stranger: Authority
) -> None:
    mallory = {**stranger.settings("mallory"), "ca": authority.ca, "requireClientCert": True}
    settings = {
        "kyle": {"tls": authority.settings("kyle", requireClientCert=True)},
        "mallory": {"tls": mallory},
    }
    kyle, agent = harness.mesh(settings)
    mine, theirs = client_context(authority.ca), client_context(stranger.ca)
    for context in (mine, theirs):
        context.load_cert_chain(*authority.issue("client"))
    await watch_apart(harness, {kyle: Pass(tls=mine), agent: Pass(tls=theirs)})

    await is_down(kyle, agent, "its certificate is not accepted: ", ca=mine)
    await eventually(lambda: "TLS handshake with client 127.0.0.1" in kyle.log())
    await is_down(agent, kyle, "the other side does not trust our certificate", ca=theirs)
    assert "Connected to node" not in kyle.log() + agent.log()


async def test_five_hundred_unfinished_tls_handshakes_keep_no_client_out(
    harness: FaultHarness, authority: Authority
) -> None:
    kyle = harness.start("kyle", settings={"tls": authority.settings("kyle")})
    await harness.watch(kyle, entry=Pass(tls=client_context(authority.ca)))
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(500)
    async with AsyncExitStack() as stack:
        for number in range(500):
            client = await stack.enter_async_context(RawClient(kyle.port))
            await client.send(hello[: number % 200])

        await eventually(lambda: "more than 256 handshakes are incomplete" in kyle.log())
        async with AsyncExitStack() as others:
            for _ in range(20):
                await others.enter_async_context(
                    Pass(tls=client_context(authority.ca)).connect(kyle.address)
                )
