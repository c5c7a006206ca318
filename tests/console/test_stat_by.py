"""``nodnod stat --by``: sums of the nodes with each value of a tag."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.harness.threaded import Threaded
from doubles.command import command, read_until
from doubles.members import row, wire
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.main import main

Capture = pytest.CaptureFixture[str]


def node(name: str, cores: int | None, cpu: float, **fields: Any) -> dict[str, Any]:
    """A node with 1 of 4 GB of memory and 1 of 10 of disk."""
    sizes = {"memoryUsed": 10**9, "memoryTotal": 4 * 10**9, "diskUsed": 1, "diskTotal": 10}
    found = node_object(name, cpuUsed=cpu, **sizes, **fields)
    system = {"cores": {"logical": cores, "physical": None}}
    return found | ({} if cores is None else {"detail": {"system": system}})


DOWN = {"cpuUsed": 0, "memoryTotal": 0, "diskTotal": 0}


@pytest.fixture
def agent() -> Iterator[Threaded[V2Server]]:
    nodes = [
        node("kyle", 1, 90.0),
        node("stan", 9, 10.0),
        node_object("butters", error="down: refused") | DOWN,
        node("kenny", 4, 20.0, error="disk: /mnt does not answer"),
        node("web", None, 30.0),
        node("eric", 2, 50.0),
    ]
    with Threaded(V2Server(nodes=nodes, ticking=True)) as running:
        tags = {"kyle": "db", "stan": "db", "butters": "db", "kenny": "web", "web": "web"}
        running.server.members = wire(
            *(row(name, tags={"role": role}) for name, role in tags.items()), row("eric")
        )
        yield running


def test_sums_are_by_value_and_those_without_the_tag_come_last(
    agent: Threaded[V2Server], capsys: Capture
) -> None:
    assert main(["stat", "--by", "role", "--json", "--server", agent.address]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {**document, "sums": None} == {"host": "kyle", "by": "role", "sums": None, "error": ""}
    sums = document["sums"]
    assert [(one["value"], one["nodes"], one["down"]) for one in sums] == [
        ("db", 3, 1),
        ("web", 2, 0),
        (None, 1, 0),
    ]
    assert sums[0] == {
        "value": "db",
        "nodes": 3,
        "down": 1,
        "cpuUsed": 18.0,
        "memoryUsed": 2 * 10**9,
        "memoryTotal": 8 * 10**9,
        "memoryUsedPercent": 25.0,
        "diskUsed": 2,
        "diskTotal": 20,
        "diskUsedPercent": 10.0,
    }


def test_the_mean_is_by_cores_only_where_all_tell_theirs(
    agent: Threaded[V2Server], capsys: Capture
) -> None:
    main(["stat", "--by", "role", "--json", "--server", agent.address])
    sums = json.loads(capsys.readouterr().out)["sums"]
    assert [one["cpuUsed"] for one in sums] == [18.0, 25.0, 50.0]


def test_sums_are_a_table_with_the_errors_below(agent: Threaded[V2Server], capsys: Capture) -> None:
    assert main(["stat", "--by", "role", "--server", agent.address, "--nodes", "*"]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "role Nodes Down CPU Memory Disk"
    assert lines[2] == "db 3 1 18.0 % 25.0 % 1.9/7.5 GiB 10.0 % 2/20 B"
    assert lines[4] == "- 1 0 50.0 % 25.0 % 0.9/3.7 GiB 10.0 % 1/10 B"
    assert "✗ butters: down: refused" in lines
    request = next(one for one in agent.server.requests if one["type"] == 1)
    assert (request["nodes"], request["detail"]) == (["*"], ["system"])


def test_a_narrow_terminal_shows_the_sums_without_sizes(
    agent: Threaded[V2Server], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["stat", "--by", "role", "--server", agent.address]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == "db 3 1 18.0 % 25.0 % 10.0 %"


@pytest.mark.parametrize(
    ("flags", "values"),
    [
        (["--sort", "cpu"], ["db", None, "web"]),
        (["--sort", "cpu", "--reverse"], ["db", "web", None]),
        (["--reverse"], ["db", None, "web"]),
        (["--sort", "state"], ["db", "web", None]),
    ],
)
def test_sums_are_sorted_those_with_nodes_that_are_down_first(
    agent: Threaded[V2Server], capsys: Capture, flags: list[str], values: list[str | None]
) -> None:
    main(["stat", "--by", "role", "--json", "--server", agent.address, *flags])
    sums = json.loads(capsys.readouterr().out)["sums"]
    assert [one["value"] for one in sums] == values


def test_a_tag_that_no_node_has_is_named(agent: Threaded[V2Server], capsys: Capture) -> None:
    main(["stat", "--by", "rolle", "--server", agent.address])
    assert "none of these nodes has the tag rolle\n" in capsys.readouterr().out


def test_sums_are_csv(agent: Threaded[V2Server], capsys: Capture) -> None:
    main(["stat", "--by", "role", "--csv", "--server", agent.address])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["by"], one["value"], one["nodes"]) for one in rows] == [
        ("role", "db", "3"),
        ("role", "web", "2"),
        ("role", "", "1"),
    ]
    assert rows[0]["memoryUsed"] == "2000000000"


def test_a_value_without_numbers_has_none(agent: Threaded[V2Server], capsys: Capture) -> None:
    agent.server.nodes = [node_object("butters", error="down: refused") | DOWN]
    main(["stat", "--by", "role", "--server", agent.address])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == "db 1 1 - - -"


def test_watch_repeats_the_sums_with_new_tags(agent: Threaded[V2Server]) -> None:
    nodnod = ("-m", "nodnod_agent.console.main", "stat", "--by", "role", "--every", "0.25")
    with command([*nodnod, "--json", "--server", agent.address]) as process:
        assert '"value":"db"' in read_until(process, "sums")
        agent.server.members = wire(row("kyle", tags={"role": "new"}))
        read_until(process, '"value":"new"')


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--by", "a b"], "must be the key of a tag, got 'a b'"),
        (["--by", "role", "--local"], "--by has sums of the cluster"),
        (["--by", "role", "--detail", "cpu"], "--by has sums of the cluster"),
        (["--by", "role", "--history", "60"], "--by has sums of the cluster"),
    ],
)
def test_wrong_usage_is_said(flags: list[str], says: str, capsys: Capture) -> None:
    assert main(["stat", *flags]) == 2
    assert says in capsys.readouterr().err


def test_an_agent_of_version_1_knows_no_tags(capsys: Capture) -> None:
    with Threaded(V1Server(nodes=[node_object("kyle")])) as agent:
        assert main(["stat", "--by", "role", "--server", agent.address]) == 1
    assert "version 1" in capsys.readouterr().err
