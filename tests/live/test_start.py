"""A real agent on a machine one of whose files never answers, as those of lxcfs when it hangs.

The file is a FUSE file system that nobody serves, in a mount table of its own. A separate process
mounts it, runs the agent and prints what it has seen.
"""

import json

import pytest

from collectors import private_mounts
from eventually import SLACK

PROGRAM = """
import asyncio, json, os, signal
from pathlib import Path
from tempfile import mkdtemp

from bench.harness.agents import Agent
from collectors.private_mounts import mount

agent = Agent(Path(mkdtemp()), "cartman")
device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={{device}},rootmode=100444,user_id=0,group_id=0"
mount("nobody", {file!r}, "fuse", options=options)
try:
    agent.start()
    agent.wait_until(lambda: "No sample" in agent.log())
    agent.signal(signal.SIGHUP)
    agent.wait_until(lambda: "Configuration reloaded" in agent.log())
    status = asyncio.run(agent.stopped(within={within}))
    print(json.dumps([status, agent.messages()]))
finally:
    agent.kill()
"""


@pytest.mark.parametrize(
    ("file", "doing"),
    [
        ("/proc/meminfo", "reading the system section"),
        ("/proc/stat", "opening the files of /proc and /sys"),
    ],
)
def test_an_agent_whose_first_sample_never_comes_says_so_and_ends_on_sigterm(
    file: str, doing: str
) -> None:
    private_mounts.need_fuse()

    done = private_mounts.run(PROGRAM.format(file=file, within=SLACK), timeout=60)

    assert done.returncode == 0, done.stderr
    status, (_, warning, reloaded, stopping) = json.loads(done.stdout)
    assert status == 0
    assert warning == (
        f"No sample of this machine after 3 s; the agent does not listen before it. It is still {doing}"
    )
    assert reloaded.startswith("Configuration reloaded")
    assert stopping == "Stopping"
