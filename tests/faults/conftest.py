"""Faults: every test here runs real agents, watched while something is wrong with others.

Where a new fault belongs:

==============================  ==================================================
a peer dies or freezes          ``test_dying_peers.py``
the link between two agents     ``test_bad_links.py``
what a peer sends               ``test_lying_peers.py``
what a client does              ``test_hostile_clients.py``
files, memory and disk          ``test_exhaustion.py``
clocks, stalls and the end      ``test_time.py``
two nodes with one name         ``test_duplicate_names.py``
wrong tokens and certificates   ``test_access_control.py``
==============================  ==================================================

A test starts its agents through ``harness``, or takes those that the module shares, has the sound
ones watched (``harness.watch``), and makes its fault. It asserts what is special about the fault.
The invariants (docs/design.md) are judged after it, over all that the watchers have recorded. A
test that watches no agent fails.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from invariants.harness import FaultHarness, Numbered

PASSED = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
async def harness(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[FaultHarness]:
    """The agents of one test, and their watchers."""
    harness = FaultHarness(tmp_path)
    try:
        yield harness
        await harness.judge()
        assert harness.judged or not request.node.stash.get(PASSED, False), "no agent was watched"
    finally:
        harness.end()


@pytest.fixture(scope="module")
def shared_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Numbered]:
    """Agents that the tests of one module share: each must leave them well."""
    agents = Numbered(tmp_path_factory.mktemp("agents"))
    yield agents
    agents.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test has passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report
