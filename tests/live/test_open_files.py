"""The limit of open files."""

import resource
import sys

import pytest

from bench.harness.agents import Agents


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the limits of another process")
def test_an_agent_raises_its_limit_of_open_files_as_far_as_allowed(agents: Agents) -> None:
    cartman = agents.start("cartman", max_files=(64, 512))

    assert resource.prlimit(cartman.pid, resource.RLIMIT_NOFILE) == (512, 512)
