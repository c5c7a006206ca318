"""The example programs."""

import json
import re
import signal
from pathlib import Path

import pytest

from bench.harness.threaded import Threaded
from doubles.command import command, read_until
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NODES = [node_object("kyle"), node_object("kenny", error="connection refused")]


@pytest.mark.parametrize("dash", ["-", "--"])
def test_client_prints_the_stats_and_disconnects(dash: str) -> None:
    with Threaded(V1Server(nodes=NODES)) as agent:
        flags = [f"{dash}server", agent.address, f"{dash}count", "1"]
        with command([str(EXAMPLES / "client.py"), *flags]) as process:
            out, err = process.communicate()
    assert err == ""
    assert process.returncode == 0
    stats = json.loads(out[out.index("{") : out.rindex("}") + 1])
    assert stats["kenny"]["error"] == "connection refused"
    assert out.splitlines()[-2:] == [
        "Reached maximum number of requests",
        "Disconnected client. Bye!",
    ]


@pytest.mark.parametrize("server", [V1Server, V2Server])
def test_dial_works_with_only_a_websocket(server: type[V1Server]) -> None:
    with (
        Threaded(server(nodes=NODES)) as agent,
        command(
            [str(EXAMPLES / "dial.py"), f"--server={agent.address}", "-duration", "0.05"]
        ) as process,
    ):
        out = read_until(process, "\n}\n") + read_until(process, "\n}\n")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert json.loads(out[: out.index("\n}\n") + 3])["host"] == "kyle"
        assert "Received response from node: kyle" in err
        assert re.search(r"Duration: \d+\.\dms", err)
        assert "Traceback" not in err
        assert process.returncode == 0


def test_stream_prints_a_line_per_node_and_tick() -> None:
    with Threaded(V2Server(nodes=NODES, ticking=True)) as agent:
        flags = ["--server", agent.address, "--every", "0.01", "--count", "2"]
        with command([str(EXAMPLES / "stream.py"), *flags]) as process:
            out, err = process.communicate()
    assert err == ""
    assert process.returncode == 0
    assert len(re.findall(r"kyle +cpu +5\.0 %", out)) == 2
    assert len(re.findall(r"kenny +connection refused", out)) == 2


@pytest.mark.parametrize("example", ["client.py", "dial.py", "stream.py"])
def test_an_unreachable_agent_is_a_one_line_error(example: str) -> None:
    with command([str(EXAMPLES / example), "--server", "127.0.0.1:1"]) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert "refused" in err.splitlines()[-1]
    assert "Traceback" not in err
