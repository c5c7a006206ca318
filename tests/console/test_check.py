"""``nodnod check``: verdicts as a table, and the plugin that prints them."""

import contextlib
import re
from argparse import ArgumentTypeError
from typing import Any

import msgspec
import pytest

from bench.harness.threaded import Threaded
from doubles.members import answer
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.check import levels
from nodnod_agent.console.main import main
from nodnod_agent.console.node_condition import Condition, condition, error_detail
from nodnod_agent.console.verdict import Levels, Severity, Thresholds, evaluate
from nodnod_client.messages import NodeStats
from nodnod_client.sections import Filesystem

OK, WARNING, CRITICAL, UNKNOWN = Severity
CPU = {"cpu": Levels(80, 90)}
SHARES = Thresholds({"memory": Levels(None, 55), "disk": Levels(90, 95)})
STALE = "stale: last heard 5.1 s ago"
SLOW = "no answer within 2 s"


def node(
    name: str, cpu: float = 0.0, memory: float = 0.0, disk: float = 0.0, error: str = ""
) -> NodeStats:
    shares = {"cpu_used": cpu, "memory_used_percent": memory, "disk_used_percent": disk}
    return NodeStats(name, error=error, **shares)


THREE = (node("a"), node("b"), node("c"))
ONE_DOWN = (node("a"), node("b"), node("c", error="down: connection refused"))


@pytest.mark.parametrize(
    ("nodes", "thresholds", "severity", "text"),
    [
        (THREE, Thresholds(), OK, "3 of 3 nodes up, highest cpu 0.0 % (a)"),
        (ONE_DOWN, Thresholds(), CRITICAL, "2 of 3 nodes up, c: down: connection refused"),
        (ONE_DOWN, Thresholds(nodes=Levels(None, 2)), WARNING, "c: down: connection refused"),
        (ONE_DOWN, Thresholds(nodes=Levels(None, 3)), CRITICAL, "fewer than 3, c: down"),
        (ONE_DOWN, Thresholds(nodes=Levels(3, 2)), WARNING, "fewer than 3, c: down"),
        (ONE_DOWN, Thresholds(nodes=Levels(3, None)), WARNING, "fewer than 3, c: down"),
        (THREE, Thresholds(nodes=Levels(None, 3)), OK, "3 of 3 nodes up"),
        (THREE, Thresholds(nodes=Levels(5, 4)), CRITICAL, "fewer than 4"),
        ((), Thresholds(nodes=Levels(None, 1)), CRITICAL, "0 of 0 nodes up, fewer than 1"),
        ((), Thresholds(), UNKNOWN, "there are no nodes to check"),
        ((node("a", 80),), Thresholds(CPU), OK, "1 of 1 node up, highest cpu 80.0 % (a)"),
        ((node("a", 80.1),), Thresholds(CPU), WARNING, "a cpu 80.1 % > 80 %"),
        ((node("a", 90),), Thresholds(CPU), WARNING, "a cpu 90.0 % > 80 %"),
        ((node("a", 90.1),), Thresholds(CPU), CRITICAL, "a cpu 90.1 % > 90 %"),
        ((node("a", 99),), Thresholds({"cpu": Levels(80, None)}), WARNING, "> 80 %"),
        ((node("a", 99),), Thresholds({"cpu": Levels(None, 98)}), CRITICAL, "> 98 %"),
        ((node("a", memory=60),), SHARES, CRITICAL, "1 of 1 node up, a memory 60.0 % > 55 %"),
        ((node("a", disk=96),), SHARES, CRITICAL, "1 of 1 node up, a disk 96.0 % > 95 %"),
        (
            (node("a", 85), node("b", 95)),
            Thresholds(CPU),
            CRITICAL,
            "2 of 2 nodes up, b cpu 95.0 % > 90 %, a cpu 85.0 % > 80 %",
        ),
        ((node("a", error=STALE),), Thresholds(), CRITICAL, f"0 of 1 node up, a: {STALE}"),
        ((node("a", error=STALE),), Thresholds(stale=5.0), CRITICAL, "0 of 1 node up"),
        ((node("a", error=STALE),), Thresholds(stale=10.0), OK, "1 of 1 node up"),
        ((node("a", 95, error=STALE),), Thresholds(CPU, stale=10), CRITICAL, "cpu 95.0 %"),
        ((node("a", 95, error=SLOW),), Thresholds(CPU, stale=10), CRITICAL, f"up, a: {SLOW}"),
    ],
)
def test_thresholds_decide_the_severity(
    nodes: tuple[NodeStats, ...], thresholds: Thresholds, severity: Severity, text: str
) -> None:
    verdict = evaluate(answer(*nodes), thresholds)
    assert verdict.severity is severity
    assert text in verdict.text


def mounted(name: str, *rows: Filesystem, disk: float = 0.0, **fields: Any) -> NodeStats:
    detail = {"filesystems": msgspec.to_builtins(list(rows)), **fields}
    return msgspec.structs.replace(node(name, disk=disk), detail=detail)


def filesystem(mount: str, share: int | None, *, counted: bool = True) -> Filesystem:
    """A filesystem with a reserve: 6 of 100 bytes are neither used nor free."""
    used = 94 * (share or 0) // 100
    return Filesystem(mount, "x", "ext4", 100, used, 94 - used, None, counted, share)


ROOT, DATA = filesystem("/", 40), filesystem("/srv/data", 100)
IMAGE = filesystem("/snap/x", 100, counted=False)


@pytest.mark.parametrize(
    ("found", "severity", "text"),
    [
        (mounted("a", ROOT, DATA, disk=60), CRITICAL, "a disk /srv/data 100.0 % > 95 %"),
        (mounted("a", ROOT, IMAGE, disk=96), OK, "highest disk / 40.0 % (a)"),
        (mounted("a", filesystem("/", 94)), WARNING, "a disk / 94.0 % > 90 %"),
        (mounted("a", filesystem("/", None), disk=7), OK, "highest disk / 0.0 % (a)"),
        (mounted("a", IMAGE, disk=96), CRITICAL, "a disk 96.0 % > 95 %"),
        (mounted("a", disk=96), CRITICAL, "a disk 96.0 % > 95 %"),
        (mounted("a", filesystems=None, disk=96), CRITICAL, "a disk 96.0 % > 95 %"),
        (mounted("a", filesystems={"error": "x"}, disk=96), CRITICAL, "a disk 96.0 % > 95 %"),
        (mounted("a", filesystem("/a|b\n" + "x" * 500, 99)), CRITICAL, "a disk /a|b xxx"),
    ],
)
def test_each_counted_filesystem_is_judged_and_the_fullest_is_named(
    found: NodeStats, severity: Severity, text: str
) -> None:
    verdict = evaluate(answer(found), SHARES)
    assert verdict.severity is severity
    assert text in verdict.text
    assert len(verdict.text) < 250


def test_an_older_agents_filesystem_is_judged_as_in_df_too() -> None:
    row = msgspec.structs.replace(filesystem("/", None), used=90, free=4)
    verdict = evaluate(answer(mounted("a", row, disk=90)), SHARES)
    assert "a disk / 96.0 % > 95 %" in verdict.text
    assert "disk_max=96.00%;90;95;0;100" in verdict.perfdata


def test_the_worst_of_many_problems_are_named() -> None:
    nodes = [node(f"n{number:02}", 85) for number in range(30)] + [node("z", 95)]
    verdict = evaluate(answer(*nodes), Thresholds(CPU))
    assert verdict.text.startswith("31 of 31 nodes up, z cpu 95.0 %")
    assert verdict.text.endswith("and 23 more problems")


def test_performance_data_follow_the_convention() -> None:
    thresholds = Thresholds({"cpu": Levels(80, 90), "disk": Levels(None, 95)}, Levels(3, 2))
    verdict = evaluate(answer(node("a", 12.345, 50, 7), node("b", error="down: x")), thresholds)
    assert verdict.perfdata.split() == [
        "up=1;3:;2:;0",
        "nodes=2;;;0",
        "cpu_max=12.35%;80;90;0;100",
        "memory_max=50.00%;;;0;100",
        "disk_max=7.00%;;95;0;100",
    ]


def test_a_node_that_is_down_has_no_metrics() -> None:
    verdict = evaluate(answer(node("a", 99, error="down: x")), Thresholds(CPU))
    assert "cpu" not in verdict.text
    assert verdict.perfdata == "up=0;;;0 nodes=1;;;0"


def test_a_name_cannot_end_the_text_or_the_line() -> None:
    line = evaluate(answer(node("a|b\nc=1", 95)), Thresholds(CPU)).line()
    assert "\n" not in line
    assert line.count("|") == 1
    assert "a/b c=1 cpu" in line


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [
        ("", Condition.FINE, ""),
        ("down: connection refused", Condition.DOWN, "connection refused"),
        (STALE, Condition.STALE, "last heard 5.1 s ago"),
        (f"{STALE}; down: no sign of life", Condition.DOWN, "no sign of life"),
        (SLOW, Condition.STALE, SLOW),
        ("not connected yet", Condition.DOWN, "not connected yet"),
        ("slowdown: none", Condition.ERROR, "slowdown: none"),
    ],
)
def test_the_error_of_a_node_tells_its_condition(error: str, kind: Condition, why: str) -> None:
    assert condition(node("a", error=error)) is kind
    assert error_detail(node("a", error=error)) == why


# Levels on the command line


@pytest.mark.parametrize(
    ("text", "falling", "expected"),
    [
        ("90", False, Levels(None, 90)),
        ("80,90", False, Levels(80, 90)),
        ("80,80", False, Levels(80, 80)),
        ("80,", False, Levels(80, None)),
        (",90", False, Levels(None, 90)),
        ("0", False, Levels(None, 0)),
        ("5,3", True, Levels(5, 3)),
        *((text, False, None) for text in ("", ",", "x", "101", "-1", "nan", "1,2,3", "90,80")),
        ("3,5", True, None),
    ],
)
def test_levels_are_parsed_or_refused(text: str, falling: bool, expected: Levels | None) -> None:
    refused = pytest.raises(ArgumentTypeError) if expected is None else contextlib.nullcontext()
    with refused:
        assert levels(0, 100, falling=falling)(text) == expected


# The command


@pytest.mark.parametrize("server", [V1Server, V2Server])
@pytest.mark.parametrize(
    ("flags", "status", "word"),
    [
        ([], 2, "CRITICAL"),
        (["--min-nodes", "1"], 1, "WARNING"),
        (["--min-nodes", "1", "--memory", "60"], 2, "CRITICAL"),
    ],
)
def test_the_exit_status_and_the_first_word_are_the_severity(
    server: type[V1Server],
    flags: list[str],
    status: int,
    word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nodes = [node_object("kyle"), node_object("stan", error="down: connection refused")]
    with Threaded(server(nodes=nodes)) as agent:
        assert main(["check", "--server", agent.address, *flags]) == status
    out, err = capsys.readouterr()
    assert out.startswith(f"NODNOD {word}: 1 of 2 nodes up, ")
    assert len(out.splitlines()) == 1
    assert re.search(r" \| up=1;\S* nodes=2;;;0 cpu_max=5\.00%;", out)
    assert err == ""


def test_no_problem_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--min-nodes", "1", "--cpu", "80,90", "--memory", "90", "--disk", "95"]
    with Threaded(V2Server()) as agent:
        assert main(["check", "--server", agent.address, "--stale", "10", *flags]) == 0
    assert capsys.readouterr().out == (
        "NODNOD OK: 1 of 1 node up, highest cpu 5.0 % (kyle), highest memory 66.4 % (kyle), "
        "highest disk 26.7 % (kyle) | up=1;;1:;0 nodes=1;;;0 cpu_max=5.00%;80;90;0;100 "
        "memory_max=66.35%;;90;0;100 disk_max=26.74%;;95;0;100\n"
    )


def test_filesystems_are_asked_for_beside_the_stats_where_the_disk_is_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    section = msgspec.to_builtins([ROOT, DATA])
    with Threaded(V2Server(stats={"detail": {"filesystems": section}})) as agent:
        assert main(["check", "--server", agent.address, "--disk", "95"]) == 2
        out = capsys.readouterr().out
        assert out.startswith("NODNOD CRITICAL: 1 of 1 node up, kyle disk /srv/data 100.0 % > 95 %")
        assert main(["check", "--server", agent.address, "--cpu", "95"]) == 0
    asked = [request.get("detail") for request in agent.server.requests]
    assert sorted(asked, key=str) == [None, None, ["filesystems"]]


@pytest.mark.usefixtures("all_time_to_connect")
def test_no_answer_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    def check(address: str, *flags: str) -> str:
        assert main(["check", "--server", address, *flags]) == 3
        out, err = capsys.readouterr()
        assert err == ""
        return out

    refused = "cannot connect to ws://127.0.0.1:1/: connection refused"
    assert check("127.0.0.1:1") == f"NODNOD UNKNOWN: {refused}\n"
    with Threaded(V2Server()) as agent:
        agent.server.hold()
        assert check(agent.address, "--timeout", "0.1").startswith("NODNOD UNKNOWN: no answer")
        agent.server.refusal = {"error": "token needed", "code": "forbidden"}
        assert check(agent.address) == "NODNOD UNKNOWN: token needed\n"


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ("--cpu x", "--cpu: must be between 0 and 100, got 'x'"),
        ("--extra x", "unrecognized arguments: --extra"),
        ("--wat", "unrecognized arguments: --wat"),
        ("--disk", "--disk needs levels, its own or those of -w and -c"),
        ("-w 95 -c 90", "the level of -w must not be above that of -c"),
        ("--cpu 90 -w 80", "-w and -c are for --cpu, --memory and --disk without levels"),
    ],
)
def test_wrong_usage_is_unknown_on_stdout_where_monitoring_reads(
    flags: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *flags.split()]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("NODNOD UNKNOWN: ")
    assert why in out
    assert (len(out.splitlines()), err) == (1, "")


@pytest.mark.parametrize(
    ("flags", "bounds"),
    [
        ("-w 80 -c 90", ["80;90", "80;90", "80;90"]),
        ("--disk -w 80 -c 90", [";", ";", "80;90"]),
        ("--disk --memory 50,70 -c 90", [";", "50;70", ";90"]),
    ],
)
def test_w_and_c_are_the_levels_of_metrics_that_have_none_of_their_own(
    flags: str, bounds: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Threaded(V2Server()) as agent:
        main(["check", "--server", agent.address, *flags.split()])
    perfdata = capsys.readouterr().out.split()[-3:]
    assert [number.partition("%;")[2] for number in perfdata] == [f"{one};0;100" for one in bounds]
