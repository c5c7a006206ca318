"""Fixtures that several folders share."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.harness.agents import Agents
from doubles.certificates import Authority
from live.access import Secret
from live.fake_clock import Clock, fake_clock
from live.namespaces import Machines, why_not

# The same examples each time, here and in CI, so that a test fails because of a change.
# To look for more: make test ARGS="--hypothesis-profile=search -k any"
_steady = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, database=None, **_steady)
settings.register_profile("search", max_examples=5000, print_blob=True, **_steady)
settings.load_profile("steady")


def pytest_configure() -> None:
    """Undo what a shell and readline have done to the process.

    A shell makes commands in the background ignore SIGINT, and so their children. Readline exports
    the size of its terminal to the workers of xdist: output would be laid out for that, even on
    pipes and on terminals of tests.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """Agent processes of one test."""
    with Agents(tmp_path) as agents:
        yield agents


@pytest.fixture(scope="module")
def shared_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    """Agent processes that the tests of one module share."""
    with Agents(tmp_path_factory.mktemp("agents")) as agents:
        yield agents


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Secret:
    """The secret of the agents of one module."""
    return Secret(tmp_path_factory.mktemp("secret"))


@pytest.fixture(scope="module")
def other_secret(tmp_path_factory: pytest.TempPathFactory) -> Secret:
    """A secret that they do not know."""
    return Secret(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority of the agents of one module."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that they do not trust."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def machines() -> Iterator[Machines]:
    """Three machines on a network of their own."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Machines(3) as machines:
        yield machines


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The time of day of the agents that run with its prefix."""
    if not fake_clock():
        text = "there is no libfaketime (on Debian: apt install faketime)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(text)
    return Clock(tmp_path)


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
