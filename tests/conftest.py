"""Fixtures that several folders share."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from live.agents import Agents
from live.namespaces import Machines, why_not


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """Agent processes of one test."""
    agents = Agents(tmp_path)
    yield agents
    agents.end()


@pytest.fixture(scope="module")
def shared_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    """Agent processes that the tests of one module share."""
    agents = Agents(tmp_path_factory.mktemp("agents"))
    yield agents
    agents.end()


@pytest.fixture
def machines() -> Iterator[Machines]:
    """Three machines on a network of their own."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Machines(3) as machines:
        yield machines


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the agents beside a failure."""
    report = yield
    fixtures = getattr(item, "funcargs", {}).values() if report.failed else ()
    for agents in fixtures:
        if isinstance(agents, Agents):
            report.sections += [(f"log of {agent.name}", agent.log()) for agent in agents.started]
    return report
