"""``nodnod alerts``: its table, its JSON and its exit status."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import to_builtins
from rich.console import Console

from bench.harness.threaded import Threaded
from doubles.alert_rows import alert_row
from doubles.command import command
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_agent.console.alerts import alerts_view, counts, status
from nodnod_agent.console.main import main
from nodnod_client.alerts import AlertInfo, Alerts

WARNING = alert_row("kyle", "swap")
CRITICAL = alert_row("kenny", "filesystem", object="/var", severity="critical", told=["webhook x"])
SILENCED = alert_row("stan", severity="critical", silenced=True)
OVER = alert_row("stan", "memory", state="resolved")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    server = V2Server()
    server.alerts = to_builtins([CRITICAL, WARNING, SILENCED, OVER])
    with Threaded(server) as threaded:
        yield threaded


def run(agent: Threaded[Any], *flags: str) -> int:
    return main(["alerts", "--server", agent.address, *flags])


def drawn(*alerts: AlertInfo, width: int = 120) -> str:
    screen = Console(width=width, highlight=False)
    with screen.capture() as captured:
        screen.print(alerts_view(Alerts("kyle", list(alerts)), width=width))
    return captured.get()


@pytest.mark.parametrize(
    ("alerts", "worst", "text"),
    [
        ([], 0, ""),
        ([OVER], 0, ""),
        ([SILENCED], 0, "1 silenced"),
        ([WARNING, OVER], 1, "1 warning"),
        ([WARNING, WARNING, CRITICAL, SILENCED], 2, "1 critical, 2 warnings, 1 silenced"),
    ],
)
def test_the_status_is_the_worst_that_fires_and_is_not_silenced(
    alerts: list[AlertInfo], worst: int, text: str
) -> None:
    assert (status(alerts), counts(alerts)) == (worst, text)


def test_each_alert_is_a_row_in_the_order_of_the_agent(
    v2: Threaded[V2Server], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(v2, "k*", "stan") == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("Alert", "─" * len(lines[1].split()[0]), "critical", "warning", "critical,", "over"),
        "1",
    ]
    assert "kenny  filesystem /var  filesystem is high  webhook x" in lines[2]
    assert lines[-1].startswith("1 critical, 1 warning, 1 silenced · as seen by kyle · ")
    assert v2.server.requests == [{"type": 5, "nodes": ["k*", "stan"], "id": 1}]


def test_without_alerts_a_line_says_so() -> None:
    assert drawn() == "no alert fires · as seen by kyle\n"


def test_without_room_those_who_were_told_are_left_out_and_the_text_stands_below() -> None:
    assert "webhook" in drawn(CRITICAL, width=80)
    assert "Told" not in drawn(WARNING, width=120)
    lines = drawn(CRITICAL, width=50).splitlines()
    assert "Told" not in lines[0]
    assert "What" not in lines[0]
    assert [*lines[2].split()[:1], *lines[2].split()[3:]] == [
        "critical",
        "kenny",
        "filesystem",
        "/var",
    ]
    assert lines[3] == "  filesystem is high"


def test_names_and_texts_cannot_control_the_terminal() -> None:
    fields = {"object": "b\x1b[2J", "text": "c\nd\u202e", "told": ["e\x07"]}
    shown = drawn(alert_row("a\x1b[2J", "r\r", **fields))
    assert not set("\x1b\r\x07\u202e") & set(shown)


def test_json_is_the_answer_as_it_came(v2: Threaded[V2Server], capsys: Capture) -> None:
    assert run(v2, "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document == {"host": "kyle", "alerts": v2.server.alerts, "error": ""}


def test_watching_prints_each_answer_until_a_signal() -> None:
    server = V2Server(ticking=True)
    server.alerts = to_builtins([WARNING])
    with Threaded(server) as agent:
        flags = ("--json", "--every", "0.25", "--server", agent.address)
        with command(["-m", "nodnod_agent.console.main", "alerts", *flags]) as process:
            assert process.stdout is not None
            for _ in range(2):
                assert json.loads(process.stdout.readline())["alerts"] == server.alerts
            process.send_signal(signal.SIGINT)
            assert process.wait() == 1


def test_without_an_answer_the_status_is_3(v2: Threaded[V2Server], capsys: Capture) -> None:
    for flags in ((), ("--every", "1")):
        assert main(["alerts", "--server", "127.0.0.1:1", *flags]) == 3
        assert capsys.readouterr().err.startswith("nodnod: cannot connect")
    v2.server.refusal = {"error": "`type` must be one of …", "code": "unknown_type"}
    for flags in ((), ("--every", "1")):
        assert run(v2, *flags) == 3
        assert "alerts need a newer agent than" in capsys.readouterr().err
    with Threaded(V1Server()) as v1:
        assert run(v1) == 3
    assert main(["alerts", "--what"]) == 3
