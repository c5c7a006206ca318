"""Channels of a real agent: read at the start and on SIGHUP, and never in its log."""

from pathlib import Path

import pytest

from bench.harness.agents import Agents
from live.asking import reload

KEY = "xoxb-super-secret"


def write(path: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    path.touch(0o600)
    path.write_text(text)


@pytest.fixture
def url(tmp_path: Path) -> Path:
    """The file of a channel's URL."""
    path = tmp_path / "notify"
    write(path, f"webhook+http://127.0.0.1:1/{KEY}\n")
    return path


@pytest.fixture
def readable(url: Path) -> Path:
    """The same, but others may read it."""
    url.chmod(0o644)
    return url


async def test_an_agent_whose_channel_is_at_fault_does_not_start_and_says_why(
    agents: Agents, readable: Path
) -> None:
    agent = agents.begin("kenny", settings={"alerts": {"notify": [f"file:{readable}"]}})

    assert await agent.exited() == 2
    problem = f"{readable}: others may read it: mode 0644, chmod it to 0640"
    assert agent.log() == f"{agent.config}: alerts.notify[0]: {problem}\n"


async def test_channels_are_read_again_on_sighup_and_a_fault_changes_nothing(
    agents: Agents, url: Path
) -> None:
    heart = Path(f"{url}.heart")
    write(heart, f"http://127.0.0.1:1/{KEY}")
    settings = {"alerts": {"notify": [f"file:{url}"], "heartbeat": f"file:{heart}"}}
    agent = agents.start("kenny", settings=settings)

    write(url, f"https//{KEY}")
    place = f"{agent.config}: alerts.notify[0]"
    refused = f"Configuration not reloaded, nothing is changed: {place}: expected a URL"
    assert refused in await reload(agent)
    write(url, f"alertmanager+http://127.0.0.1:1,127.0.0.1:2/{KEY}")
    assert "Configuration reloaded" in await reload(agent)
    agent.configure()
    log = await reload(agent)
    assert "Configuration reloaded" in log
    assert "needs a restart" not in log

    assert KEY not in agent.log()
