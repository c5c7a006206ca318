"""An agent of version 2.0.0, built from the history, in one cluster with two of today's."""

import asyncio
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.harness.agents import Agent, Agents, whole
from eventually import eventually
from live.access import Secret
from live.tools import install
from nodnod_agent.console.main import main
from nodnod_client import Client
from nodnod_client.errors import NodNodError

ROOT = Path(__file__).parents[2]
COMMIT = "cc23b2e"
NAMES = ("old", "kyle", "stan")


class Mixed(NamedTuple):
    """The cluster: its one old agent, and two of today's."""

    old: Agent
    kyle: Agent
    stan: Agent
    secret: Secret

    def client(self, agent: Agent) -> Client:
        return Client(agent.address, token=self.secret.token(3600))


@pytest.fixture(scope="module")
def old_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the packages of the old wheel; their dependencies are those of today."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=False
    )
    if archive.returncode:
        # A shallow clone, or an archive of the sources.
        pytest.skip(f"the history lacks {COMMIT}: {archive.stderr.decode().strip()}")
    directory = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(directory / "source", filter="data")
    target = directory / "packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    # pip builds the wheel and unpacks it.
    install([*pip, "install", "--no-deps", "--target", str(target), str(directory / "source")])
    return target


@pytest.fixture(scope="module")
def mixed(
    shared_agents: Agents, old_package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mixed]:
    """A cluster that tests share."""
    cluster = start(shared_agents, old_package, Secret(tmp_path_factory.mktemp("secret")))
    yield cluster
    assert faults(cluster.old) == []


def start(agents: Agents, old_package: Path, secret: Secret) -> Mixed:
    """Kyle first; the old agent joins it, and Stan joins the old one."""
    kyle = agents.start("kyle", settings=secret.settings(tags={"role": "db"}))
    old = agents.start(
        "old",
        settings=secret.settings(),
        flags=["--join", kyle.address],
        prefix=["env", f"PYTHONPATH={old_package}"],
    )
    stan = agents.start("stan", settings=secret.settings(), flags=["--join", old.address])
    for agent in (kyle, old, stan):
        asyncio.run(whole(agent, *NAMES, token=secret.token()))
    return Mixed(old, kyle, stan, secret)


def faults(old: Agent) -> list[str]:
    """The lines of its log that fields and requests unknown to it would leave."""
    found = [line for line in old.log().splitlines() if re.search("WARN|ERROR|Traceback", line)]
    return [line for line in found if "one token is needed" not in line]  # the doctor looks


async def test_each_agent_joins_over_the_other_version_and_lists_all(mixed: Mixed) -> None:
    async with mixed.client(mixed.old) as client:
        with pytest.raises(NodNodError, match="need a newer agent"):
            await client.events()  # it is the old one

    for agent in (mixed.old, mixed.kyle, mixed.stan):

        async def agreed(agent: Agent = agent) -> bool:
            async with mixed.client(agent) as client:
                view = await client.members()
            return {(row.name, row.state) for row in view.members} == {(n, "up") for n in NAMES}

        await eventually(agreed)


async def test_every_agent_answers_for_all_with_details_and_history(mixed: Mixed) -> None:
    for agent in (mixed.old, mixed.kyle, mixed.stan):
        async with mixed.client(agent) as client:
            answer = await client.stat_all(detail=["system", "memory"], history=60)
        assert {name: node.error for name, node in answer.nodes.items()} == dict.fromkeys(NAMES, "")
        for node in answer.nodes.values():
            assert node.detail is not None
            assert node.detail["memory"]["total"] > 0
            assert node.history is not None


async def test_a_section_that_the_old_agent_does_not_know_is_an_error_of_it_alone(
    mixed: Mixed,
) -> None:
    async with mixed.client(mixed.kyle) as client:
        answer = await client.stat_all(detail=["system", "custom"])

    assert "got 'custom'" in answer.nodes["old"].error
    assert answer.nodes["kyle"].error == answer.nodes["stan"].error == ""


async def test_streams_of_both_versions_carry_all_nodes(mixed: Mixed) -> None:
    for agent in (mixed.old, mixed.stan):
        async with mixed.client(agent) as client:
            ticks = 0
            async for answer in client.stream(every=0.25):
                ticks += sorted(answer.nodes) == sorted(NAMES)
                if ticks == 3:
                    break


async def test_the_doctor_examines_agents_of_both_versions(
    mixed: Mixed, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = {
        "kyle": [],
        "old": ["its version does not know containers, custom, services"],
    }
    for agent in (mixed.kyle, mixed.old):
        flags = ["--json", "--server", agent.address, "--token", mixed.secret.token(3600)]
        status = await asyncio.to_thread(main, ["doctor", *flags])
        findings = json.loads(capsys.readouterr().out)["findings"]
        texts = [one["text"] for one in findings]

        assert status < 2, findings
        assert "links: 2 of 2 others to it, 2 of 2 from it" in texts
        assert "2 of 2 others would go on with its page" in texts
        assert [text for text in texts if "its version" in text] == unknown[agent.name]


def test_a_goodbye_a_restart_and_an_upgrade_are_known_to_both_versions(
    agents: Agents, old_package: Path, tmp_path: Path
) -> None:
    cluster = start(agents, old_package, Secret(tmp_path))

    asyncio.run(goodbye_restart_and_upgrade(cluster, agents))

    assert faults(cluster.old) == []


async def goodbye_restart_and_upgrade(cluster: Mixed, agents: Agents) -> None:
    old, kyle, stan, secret = cluster
    await stan.stopped()
    for agent in (old, kyle):
        await whole(agent, "old", "kyle", token=secret.token())
    await stan.restart()
    for agent in (old, kyle, stan):
        await whole(agent, *NAMES, token=secret.token())

    await old.stopped()
    for agent in (kyle, stan):
        await whole(agent, "kyle", "stan", token=secret.token())
    flags, settings = ["--join", kyle.address], secret.settings()
    upgraded = agents.start(
        "old", listen=old.address, settings=settings, flags=flags, label="upgraded"
    )

    for agent in (upgraded, kyle, stan):
        await whole(agent, *NAMES, token=secret.token())
    async with cluster.client(kyle) as client:
        view = await client.members()
    assert sorted(row.name for row in view.members) == sorted(NAMES)
    async with cluster.client(upgraded) as client:
        await client.events()
