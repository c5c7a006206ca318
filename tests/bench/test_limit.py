"""The benchmark itself, as small as it can be, and its count of calls."""

import re
import sys
from pathlib import Path

import pytest

from bench.harness import call_counter, calls
from bench.harness.agents import PYTHON, Agents
from bench.harness.load import Plan
from doubles.command import command
from nodnod_client.errors import ConnectError

SCRIPT = Path(__file__).parents[2] / "bench" / "limit.py"

CALLS = """
import signal
from nodnod_client.address import Address

one = Address("127.0.0.1", 1)
for times in (0, 1, 10):
    for _ in range(times):
        str(one)
    signal.raise_signal(signal.SIGUSR1)
"""


def test_every_table_is_printed_also_beside_another_build() -> None:
    flags = ("--rounds", "1", "--number", "40", "--against", sys.prefix)
    with command([str(SCRIPT), *flags]) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    heads = [table.split("  ")[0] for table in output.split("\n\n")[1:]]
    assert heads == [
        "CPU, µs per request",
        "rate",
        "20 x 16, served of 40",
        f"older: {sys.prefix}",
    ]


def test_a_build_that_has_no_agent_is_refused(tmp_path: Path) -> None:
    with command([str(SCRIPT), "--against", str(tmp_path)]) as process:
        _, errors = process.communicate()
    assert process.returncode == 2
    assert f"there is no bin/nodnod-agent in {tmp_path}" in errors


def test_calls_of_our_own_functions_are_counted_and_no_others(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CALLS)
    with command([call_counter.__file__, str(script)]) as process:
        output, errors = process.communicate()
    assert errors == ""
    nothing, one, eleven = map(int, re.findall(r"^calls: (\d+)$", output, re.MULTILINE))
    assert (one - nothing, eleven - one) == (1, 10)


async def test_an_agent_that_runs_under_the_counter_tells_its_calls(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(calls, "COUNTED", 5)
    with Agents(tmp_path, (*PYTHON, call_counter.__file__)) as agents:
        agent = agents.start("kenny")
        assert await calls.calls_per_request(agent, Plan(server=agent.endpoint)) > 1
        with pytest.raises(ConnectError, match=r"an answer failed or was invalid$"):
            await calls.calls_per_request(agent, Plan(server=agent.endpoint, nodes=2))
