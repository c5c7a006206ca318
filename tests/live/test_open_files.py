"""How many files an agent may have open."""

import resource
import sys

import pytest

from bench.harness.agents import Agents


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the limits of another process")
def test_an_agent_takes_as_many_open_files_as_it_may_have(agents: Agents) -> None:
    cartman = agents.start("cartman", max_files=(64, 512))

    assert resource.prlimit(cartman.pid, resource.RLIMIT_NOFILE) == (512, 512)
