"""``nodnod silence``: what it asks for, and what it takes a name for."""

import json
from collections.abc import Iterator

import pytest
from msgspec import to_builtins
from rich.console import Console

from bench.harness.threaded import Threaded
from doubles.alert_rows import alert_row
from doubles.members import row, wire
from doubles.v2_server import V2Server
from nodnod_agent.console.main import main
from nodnod_agent.console.silence import silences_view
from nodnod_client.alerts import SilenceInfo

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    server = V2Server()
    server.members = wire(row("kyle"), row("db-1"), row("swap"))
    server.alerts = to_builtins([alert_row(rule="queue")])
    with Threaded(server) as threaded:
        yield threaded


def run(agent: Threaded[V2Server], *flags: str) -> int:
    return main(["silence", "--server", agent.address, *flags])


@pytest.mark.parametrize(
    ("flags", "node", "rule"),
    [
        (["kyle"], "kyle", "*"),
        (["db-*"], "db-*", "*"),
        (["filesystem"], "*", "filesystem"),
        (["queue"], "*", "queue"),
        (["*"], "*", "*"),
        (["db-*", "--rule", "filesystem"], "db-*", "filesystem"),
        (["swap", "--rule", "*"], "swap", "*"),
        (["--node", "swap"], "swap", "*"),
        (["--rule", "swap"], "*", "swap"),
        (["--node", "later", "--rule", "own-rule"], "later", "own-rule"),
    ],
)
def test_a_name_stands_for_the_node_or_the_rule_that_has_it(
    v2: Threaded[V2Server], capsys: Capture, flags: list[str], node: str, rule: str
) -> None:
    assert run(v2, *flags, "--for", "2h", "--reason", "upgrade") == 0
    asked = v2.server.requests[-1]["silence"]
    assert asked == {
        "seconds": 7200.0,
        **({"node": node} if node != "*" else {}),
        **({"rule": rule} if rule != "*" else {}),
        "reason": "upgrade",
    }
    assert capsys.readouterr().out.startswith("Silenced until 1970-01-01 ")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("swap", "swap is a node and a rule: use --node swap or --rule swap"),
        ("nobody", "no node and no rule is called nobody at present"),
    ],
)
def test_a_name_that_may_mean_two_things_or_none_is_not_guessed(
    v2: Threaded[V2Server], capsys: Capture, name: str, why: str
) -> None:
    assert run(v2, name, "--for", "2h") == 2
    assert why in capsys.readouterr().err
    assert v2.server.silences == []


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ([], "name what to silence, or one of --list and --end"),
        (["kyle"], "a silence needs an end: --for 2h"),
        (["--for", "2h"], "name what to silence; '*' is everything"),
        (["kyle", "--node", "kyle", "--for", "2h"], "name the node once"),
        (["kyle", "--for", "2h", "--list"], "name what to silence, or one of"),
        (["--list", "--end", "a"], "name what to silence, or one of"),
        (["kyle", "--for", "31d"], "must be 1 second to 30 days, got '31d'"),
        (["kyle", "--for", "0"], "must be 1 second to 30 days"),
        (["kyle", "--for", "soon"], "must be like 90s, 10m, 2h or 3d"),
        (["", "--for", "2h"], "must have 1 to 128 characters"),
    ],
)
def test_wrong_usage_is_one_clear_line(capsys: Capture, flags: list[str], why: str) -> None:
    assert main(["silence", "--server", "127.0.0.1:1", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_silences_are_listed_and_ended(v2: Threaded[V2Server], capsys: Capture) -> None:
    run(v2, "kyle", "--for", "60", "--reason", "new disk\x1b[2J")
    assert run(v2, "--list") == 0
    assert run(v2, "--end", "00000000") == 0
    assert run(v2, "--list", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "all alerts of kyle (00000000)" in lines[0]
    assert lines[3].startswith("00000000")
    assert "new disk\ufffd[2J" in lines[3]
    assert lines[4:] == ["1 silence", "Ended: all alerts of kyle", "[]"]


def test_json_is_the_silence(v2: Threaded[V2Server], capsys: Capture) -> None:
    assert run(v2, "*", "--for", "60", "--json") == 0
    assert json.loads(capsys.readouterr().out) == v2.server.silences[0]


def test_a_token_that_may_only_read_is_told_which_one_it_takes(
    v2: Threaded[V2Server], capsys: Capture
) -> None:
    v2.server.refusal = {"error": "not with this token", "code": "forbidden"}
    assert run(v2, "*", "--for", "60") == 1
    assert "nodnod token --role operate" in capsys.readouterr().err


def test_without_an_agent_the_status_is_3(capsys: Capture) -> None:
    assert main(["silence", "--server", "127.0.0.1:1", "--list"]) == 3
    assert capsys.readouterr().err.startswith("nodnod: cannot connect")


def test_in_a_narrow_terminal_the_reason_stands_below_its_silence() -> None:
    reason = "new disks are on their way"
    one = SilenceInfo("6baa9441", "db-production-*", "filesystem", 7200.0, reason, "kyle", 0.0)
    screen = Console(width=40)
    with screen.capture() as captured:
        screen.print(silences_view([one], width=40))
    lines = captured.get().splitlines()
    assert lines[0].split() == ["ID", "Until", "Node", "Rule"]
    assert lines[2].split()[0] == "6baa9441"
    assert lines[2].split()[3:] == ["db-p…on-*", "file…stem"]
    assert lines[3:] == [f"  {reason}", "1 silence"]
