"""Every case here: real agents, watched while something is wrong, healthy before and after it.

Where a new fault belongs:

===============================  ===============================================================
a peer dies, freezes, goes on    ``test_peers_that_die.py``
the line between two agents      ``test_bad_lines.py``
what a peer says                 ``test_lying_peers.py``
what a client does               ``test_hostile_clients.py``
what the machine lacks           ``test_short_of_everything.py``
time, the agent's own or all's   ``test_standing_still.py``
who an agent is                  ``test_namesakes.py``
who comes in, and should not     ``test_who_may_not_in.py``
===============================  ===============================================================

A case starts its agents through ``ward``, or takes those that the module shares, has the sound ones
watched (``ward.watch``), and does its worst. What it asserts itself is what is special about it. What
must stay true (docs/design.md) is judged behind it, over all that the watchers have recorded: see
``bench/harness/invariants``. A case in which nobody was watched fails.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from invariants.harness import FaultHarness, Numbered

PASSED = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
async def ward(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[FaultHarness]:
    """The agents of one case, and who watches them."""
    ward = FaultHarness(tmp_path)
    try:
        yield ward
        await ward.judge()
        assert ward.judged or not request.node.stash.get(PASSED, False), "nobody was watched"
    finally:
        ward.end()


@pytest.fixture(scope="module")
def shared_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Numbered]:
    """Agents that the cases of one module share: each must leave them well."""
    agents = Numbered(tmp_path_factory.mktemp("agents"))
    yield agents
    agents.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a case has come to its end."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report
