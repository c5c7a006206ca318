"""docs/operations.md is true: its links, metrics, settings, log lines and commands."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from live.access import Secret
from live.web import fetch
from nodnod_agent.config.settings import SETTINGS

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "operations.md"
TEXT = MANUAL.read_text()

FROM_THE_SYSTEM = {
    *("connection refused", "name or service not known"),
    *("IP address mismatch", "Hostname mismatch", "certificate has expired"),
    "CA cert does not include key usage extension",
    "unable to get local issuer certificate",
    "self-signed certificate in certificate chain",
}
"""Reasons in the words of the system and of OpenSSL."""


@cache
def texts_of_the_agent() -> str:
    """All string constants of the agent and its library, joined."""
    paths = (path for folder in ("agent", "protocol") for path in (ROOT / folder).rglob("*.py"))
    return "\n".join(text for path in paths for text in texts(path))


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def log_lines() -> list[str]:
    """The first column of the table of log lines."""
    table = TEXT.partition("| in the log |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    return [line for cell in cells for line in re.findall("`([^`]+)`", cell)]


@pytest.mark.parametrize("line", log_lines())
def test_every_log_line_is_one_of_the_agent(line: str) -> None:
    for part in re.split(r"…|: |127\.0\.0\.1:7070|Error: |Reason: ", line):
        words = part.strip(" :;")
        assert words in texts_of_the_agent() or words in FROM_THE_SYSTEM, words


def test_every_metric_exists(agents_pages: str) -> None:
    named = set(re.findall(r"`((?:nodnod|process)_[a-z_]+)`", TEXT))

    assert len(named) > 5
    assert named <= set(re.findall(r"^# TYPE (\w+) ", agents_pages, re.MULTILINE))


@pytest.fixture
async def agents_pages(agents: Agents) -> str:
    """Both pages of metrics."""
    agent = agents.start("cartman")
    pages = [await fetch(agent.port, path) for path in ("/metrics", "/metrics/cluster")]
    return "\n".join(page.body.decode() for page in pages)


def test_every_variable_is_a_setting_or_one_of_the_command() -> None:
    named = set(re.findall(r"\bNODNOD_[A-Z_]+", TEXT))

    # The last two are made by Kubernetes, and the page says that they are not settings.
    others = {"NODNOD_TOKEN", "NODNOD_SERVICE_HOST", "NODNOD_PORT"}
    assert named - others <= {row.variable for row in SETTINGS}


def test_every_link_leads_to_a_file_and_a_section() -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", TEXT):
        page = MANUAL.parent / target if target else MANUAL
        assert page.exists(), target
        if anchor:
            titles = re.findall("^#+ (.*)", page.read_text(), re.MULTILINE)
            assert anchor in {slug(title) for title in titles}


def slug(title: str) -> str:
    """The anchor of a title."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_example_for_operators_is_linked() -> None:
    examples = ROOT / "examples"
    files = [path for path in examples.glob("*/*") if path.is_file()]

    assert files
    for path in files:
        assert f"](../{path.relative_to(ROOT)})" in TEXT


# Commands, in a cluster with a secret.


BIN = Path(sys.executable).parent
MAKE_TOKEN = "export NODNOD_TOKEN="
UNREACHABLE = 3


def lines(language: str) -> list[str]:
    """The lines of all blocks of a language, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
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
