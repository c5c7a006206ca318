"""The commands of docs/operations.md work in a cluster with a secret."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from live.access import Secret

MANUAL = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
BIN = Path(sys.executable).parent
MAKE_TOKEN = "export NODNOD_TOKEN="
UNREACHABLE = 3


def lines(language: str) -> list[str]:
    """The lines of all blocks of a language, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", MANUAL, re.DOTALL | re.MULTILINE)
    found = [line for kind, block in blocks if kind == language for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in found]


def asking() -> list[str]:
    """The commands that ask an agent, typed or run by cron."""
    typed = [
        line for line in lines("sh") if re.match(r"(\S*/)?nodnod (check|members|stat) ?", line)
    ]
    timed = [line.split(None, 6)[6] for line in lines("") if line.startswith("*/")]
    return [*typed, *timed]


@pytest.fixture(scope="module")
def guarded(shared_agents: Agents, secret: Secret) -> Agent:
    return shared_agents.start("cartman", settings=secret.settings())


def shell(agent: Agent, *script: str) -> subprocess.CompletedProcess[str]:
    """Run lines of the manual against our agent."""
    text = "\n".join(script)
    for theirs, ours in {
        "/opt/nodnod/bin": str(BIN),
        "/etc/nodnod/config.json": str(agent.config),
        "10.0.0.1": agent.address,
        "sleep 60": "false",
    }.items():
        text = text.replace(theirs, ours)
    environment = {key: value for key, value in os.environ.items() if "NODNOD" not in key}
    path = f"{BIN}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["sh", "-c", text],
        env={**environment, "PATH": path, "NODNOD_SERVER": agent.address},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_manual_has_commands() -> None:
    assert len(asking()) > 3


@pytest.mark.parametrize("command", asking())
def test_a_command_is_accepted_with_the_token_of_the_manual(guarded: Agent, command: str) -> None:
    (make_token,) = (line for line in lines("sh") if line.startswith(MAKE_TOKEN))

    done = shell(guarded, make_token, command)

    assert done.returncode != UNREACHABLE, done.stdout + done.stderr
    assert "401" not in done.stdout + done.stderr


def test_a_command_without_the_token_is_refused(guarded: Agent) -> None:
    assert "401" in shell(guarded, "nodnod stat").stderr
