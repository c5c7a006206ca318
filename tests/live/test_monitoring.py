"""The documented alarm for an agent that does not answer, with the real ``negate`` of the plugins."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from live.tools import tool

MANUAL = Path(__file__).parents[2] / "docs/console.md"
BIN = Path(sys.executable).parent

OK, CRITICAL = 0, 2


@pytest.fixture
def command() -> list[str]:
    """The command of the manual, with our paths in place of the usual ones."""
    found = re.search(r"^(/\S+/negate) (.*)$", MANUAL.read_text(), re.MULTILINE)
    assert found is not None
    negate = tool("negate", "monitoring-plugins-common")
    words = shlex.split(found[2].replace("/opt/nodnod/bin", str(BIN)))
    assert float(words[words.index("--timeout") + 1]) < 11, "negate gives up after 11 s"
    return [negate, *words]


async def run(command: list[str], address: str) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "check": False, "timeout": 20}
    return await asyncio.to_thread(
        subprocess.run, [*command, "--server", address, "--min-nodes", "1"], **options
    )


async def test_an_agent_that_does_not_answer_is_critical(command: list[str]) -> None:
    (port,) = free_ports(1)

    done = await run(command, f"127.0.0.1:{port}")

    assert done.stdout.startswith("NODNOD UNKNOWN: "), "the check itself has run"
    assert done.returncode == CRITICAL


async def test_an_agent_that_answers_is_ok(command: list[str], agents: Agents) -> None:
    cartman: Agent = agents.start("cartman")

    done = await run(command, cartman.address)

    assert done.stdout.startswith("NODNOD OK: ")
    assert done.returncode == OK
