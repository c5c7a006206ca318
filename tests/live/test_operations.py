"""docs/operations.md says what is true: its links, metrics, settings, and lines of the log."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bench.harness.agents import Agents
from live.web import fetch
from nodnod_agent.config.settings import SETTINGS

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "operations.md"
TEXT = MANUAL.read_text()

FROM_ELSEWHERE = {"connection refused", "name or service not known"}
"""Reasons for which the system has the words."""


@cache
def words_of_the_agent() -> str:
    """All texts in the agent's code, one after the other."""
    return "\n".join(text for path in (ROOT / "agent").rglob("*.py") for text in texts(path))


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def lines_of_the_log() -> list[str]:
    """What stands in the first column of the table of troubles."""
    table = TEXT.partition("| in the log |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    return [line for cell in cells for line in re.findall("`([^`]+)`", cell)]


@pytest.mark.parametrize("line", lines_of_the_log())
def test_a_line_of_the_log_is_one_that_the_agent_writes(line: str) -> None:
    for part in re.split(r"…|: |127\.0\.0\.1:7070|Error: |Reason: ", line):
        words = part.strip(" :;")
        assert words in words_of_the_agent() or words in FROM_ELSEWHERE, words


def test_every_metric_is_one_that_agents_have(agents_pages: str) -> None:
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

    # The last two are those that Kubernetes makes, of which the page says that they are none.
    others = {"NODNOD_TOKEN", "NODNOD_SERVICE_HOST", "NODNOD_PORT"}
    assert named - others <= {row.variable for row in SETTINGS}


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", TEXT):
        assert (MANUAL.parent / target).exists(), target


def test_every_section_that_is_linked_is_there() -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]*)\)", TEXT):
        page = (MANUAL.parent / target).read_text() if target else TEXT
        assert anchor in {slug(title) for title in re.findall("^#+ (.*)", page, re.MULTILINE)}


def slug(title: str) -> str:
    """How the anchor of a title is made."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_example_for_operators_is_linked() -> None:
    examples = ROOT / "examples"
    files = [path for path in examples.glob("*/*") if path.is_file()]

    assert files
    for path in files:
        assert f"](../{path.relative_to(ROOT)})" in TEXT
