"""``nodnod doctor`` and real agents: healthy, and with one thing wrong each."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.certificates import Authority
from doubles.v1_server import V1Server
from eventually import eventually
from live.access import Secret, is_down
from live.fake_clock import Clock
from live.views import all_see
from nodnod_agent.console.main import main

Capture = pytest.CaptureFixture[str]


class Examined:
    """The findings of one examination; those that are bad as ``check: text``."""

    def __init__(self, status: int, out: str) -> None:
        self.status = status
        self.findings: list[dict[str, Any]] = json.loads(out)["findings"]

    def bad(self, level: str) -> list[str]:
        rows = [one for one in self.findings if one["level"] == level]
        assert all(one["todo"] for one in rows)
        return [f"{one['check']}: {one['text']}" for one in rows]

    def fine(self, check: str) -> list[str]:
        rows = [one for one in self.findings if (one["check"], one["level"]) == (check, "ok")]
        assert not any(one["todo"] for one in rows)
        return [one["text"] for one in rows]


async def examine(capsys: Capture, agent: Agent, *flags: str) -> Examined:
    capsys.readouterr()
    argv = ["doctor", "--json", "--server", agent.address, *flags]
    status = await asyncio.to_thread(main, argv)
    return Examined(status, capsys.readouterr().out)


async def test_a_healthy_cluster_is_fine(
    agents: Agents, authority: Authority, secret: Secret, capsys: Capture
) -> None:
    names = ("kyle", "stan", "kenny")
    cluster = agents.mesh({name: secret.settings(tls=authority.settings(name)) for name in names})
    for agent in cluster:
        await whole(agent, *names, token=secret.token(), ca=authority.ca)

    flags = ("--ca", authority.ca, "--token", secret.token())
    found = await examine(capsys, cluster[0], *flags)

    assert found.bad("fault") == []
    # What the machine of the test has: a filesystem without an answer, a socket without rights.
    assert [one for one in found.bad("remark") if not one.startswith("sections: ")] == []
    assert found.fine("reachable") == ["links: 2 of 2 others to it, 2 of 2 from it"]
    assert found.fine("secrets") == ["the agent wants a token, and agents a proof"]
    assert found.fine("listening") == [
        f"it listens on {cluster[0].address}: reachable from this machine only"
    ]
    assert "those of 3 agents name their addresses" in found.fine("certificates")[0]
    assert found.fine("files")[0].startswith("the limit is ")
    assert found.fine("fail-over") == ["2 of 2 others would go on with its page"]


async def test_an_unreachable_node_is_a_fault_with_its_reason(
    agents: Agents, capsys: Capture
) -> None:
    unused = f"127.0.0.1:{free_ports(1)[0]}"
    kyle = agents.start("kyle", nodes=[unused])
    await eventually(lambda: f"Could not connect to node: {unused}" in kyle.log())

    found = await examine(capsys, kyle)

    assert found.status == 2
    assert found.bad("fault") == [f"reachable: it does not reach {unused}: connection refused"]


async def test_a_node_that_hangs_is_a_fault_from_the_first_second_on(
    agents: Agents, capsys: Capture
) -> None:
    kyle, stan = agents.mesh(dict.fromkeys(("kyle", "stan")))
    await whole(kyle, "kyle", "stan")
    stan.signal(signal.SIGSTOP)

    found = await examine(capsys, kyle, "--timeout", "1")

    stan.signal(signal.SIGCONT)
    assert found.status == 2
    assert [one for one in found.bad("fault") if "stan" in one]
    todo = {one["todo"] for one in found.findings if one["level"] == "fault"}
    assert all(one.startswith("look at that machine: it ") for one in todo)


async def test_a_secret_that_differs_is_a_fault(
    agents: Agents, secret: Secret, other_secret: Secret, capsys: Capture
) -> None:
    kyle, stan = agents.mesh({"kyle": secret.settings(), "stan": other_secret.settings()})
    await is_down(kyle, stan, "it refuses us: ", token=secret.token())

    found = await examine(capsys, kyle, "--token", secret.token())

    assert found.status == 2
    (fault,) = found.bad("fault")
    assert fault.startswith(f"secrets: it does not reach {stan.address}")


async def test_a_wrong_clock_is_a_fault(agents: Agents, clock: Clock, capsys: Capture) -> None:
    names = ("kyle", "stan", "kenny")
    clock.set(1)
    cluster = agents.mesh(dict.fromkeys(names), {"stan": clock.prefix})
    for agent in cluster:
        await whole(agent, *names)

    found = await examine(capsys, cluster[0])

    assert found.status == 2
    (fault,) = found.bad("fault")
    assert fault in {
        f"clocks: the clock of stan is {span} ahead of the others'" for span in ("1 h", "59 min")
    }


async def test_a_name_that_two_agents_have_is_a_remark(agents: Agents, capsys: Capture) -> None:
    kyle = agents.start("kyle")
    stan = agents.start("stan", nodes=[kyle.address])
    again = agents.start("stan", label="again", nodes=[kyle.address])
    both = ", ".join(sorted([stan.address, again.address]))
    expected = f"names: 2 nodes have the name stan: at {both}"

    async def listed() -> bool:
        return expected in (await examine(capsys, kyle)).bad("remark")

    await eventually(listed)


async def test_a_node_of_version_1_is_a_remark(agents: Agents, capsys: Capture) -> None:
    async with V1Server("cartman") as cartman:
        kyle = agents.start("kyle", nodes=[f"127.0.0.1:{cartman.port}"])
        await all_see([kyle], kyle="up", cartman="up")

        found = await examine(capsys, kyle)

    assert found.bad("fault") == []
    (remark,) = (one for one in found.bad("remark") if one.startswith("versions: "))
    assert remark.startswith("versions: they differ: 1 (cartman); ")


async def test_a_certificate_of_another_name_is_a_fault_though_it_keeps_the_agent_from_answering(
    agents: Agents, authority: Authority, capsys: Capture
) -> None:
    kyle = agents.start("kyle", settings={"tls": authority.settings("kyle", "kyle.example")})

    found = await examine(capsys, kyle, "--ca", authority.ca)

    assert found.status == 3
    assert any(
        "does not name 127.0.0.1, where it is dialed, but kyle.example" in one
        for one in found.bad("fault")
    )


async def test_an_agent_that_does_not_run_is_no_answer(tmp_path: Path, capsys: Capture) -> None:
    server = f"127.0.0.1:{free_ports(1)[0]}"
    assert await asyncio.to_thread(main, ["doctor", "--server", server]) == 3
    out = capsys.readouterr().out
    assert out.startswith(f"FAULT   agent         no answer from {server}: connection refused\n")
    assert "→ start the agent there" in out


async def test_wrong_usage_is_status_3(capsys: Capture) -> None:
    assert await asyncio.to_thread(main, ["doctor", "--server", "a:b:c"]) == 3
