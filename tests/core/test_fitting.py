"""What is too large for its receiver is cut: the stats stay, and the most important rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.encoding import RICH_LIMIT, peer_node
from nodnod_agent.core.fitting import fit_history, fit_node, fit_nodes, fit_section
from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_fields, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import FullStats, PeerAnswer
from nodnod_client.sections import Filesystem, NetworkIo, Process, Processes, truncated
from strategies import json_values

STATS = FullStats("kyle", 5.0, 100, 25, 25.0, 1000, 500, 50.0, "")
LIMIT = 4000


def filesystem(
    number: int, *, counted: bool = False, total: int = 100, full: int = 0
) -> Filesystem:
    return Filesystem(f"/mnt/{number:04}", "x", "nfs", total, full, 1, None, counted, full)


def fitted(section: object, limit: int = LIMIT) -> Any:
    cut = fit_section(encode(section), limit)
    assert len(cut) <= limit
    return json.loads(cut)


def node(**fields: object) -> bytes:
    return encode(json.loads(encode(STATS)) | fields)


def named(nodes: dict[str, Any]) -> list[bytes]:
    return [encode(name) + b":" + encode(one) for name, one in nodes.items()]


FILESYSTEMS = [filesystem(number) for number in range(100)]
INTERFACES = {f"veth{number:04}": NetworkIo(number, 0, 1, 0, 0) for number in range(100)}


# Sections.


def test_what_fits_is_the_same_object() -> None:
    section = encode(FILESYSTEMS)
    assert fit_section(section, len(section)) is section
    assert fit_node(section, len(section)) is section
    assert fit_nodes([section], len(section) + 1) == [section]
    assert fit_history(section, len(section)) is section


def test_counted_filesystems_stay_first_the_fullest_of_them_before_others_then_the_largest() -> (
    None
):
    rows = [
        *FILESYSTEMS,
        filesystem(200, total=10**12),
        filesystem(201, counted=True, full=50),
        *[filesystem(number, counted=True, full=10) for number in range(300, 400)],
        filesystem(400, counted=True, full=99),
    ]

    kept = [row["mount"] for row in fitted(rows)]
    few = [row["mount"] for row in fitted([*rows[:101], rows[-1]], 600)]

    assert {"/mnt/0201", "/mnt/0400"} <= set(kept)
    assert all(mount >= "/mnt/0201" for mount in kept)
    assert {"/mnt/0200", "/mnt/0400"} <= set(few)


def test_the_interfaces_with_most_traffic_stay() -> None:
    kept = list(fitted(INTERFACES))
    assert kept == [f"veth{number:04}" for number in range(100 - len(kept), 100)]


@pytest.mark.parametrize("section", [FILESYSTEMS, INTERFACES], ids=["a list", "by name"])
def test_rows_keep_their_order_and_the_last_one_tells_how_many_are_missing(section: Any) -> None:
    cut = fitted(section)
    rows = cut if isinstance(cut, list) else list(cut.values())
    all_rows = json.loads(encode(section))
    all_rows = all_rows if isinstance(all_rows, list) else list(all_rows.values())

    assert rows[-1].pop("truncated") == len(all_rows) - len(rows)
    assert [row for row in all_rows if row in rows] == rows
    assert len(encode(cut)) > LIMIT - 250
    assert truncated(fitted(section)) == len(all_rows) - len(rows)


@pytest.mark.parametrize("section", [FILESYSTEMS, INTERFACES], ids=["a list", "by name"])
def test_a_section_that_is_cut_twice_tells_the_sum(section: Any) -> None:
    once = fit_section(encode(section), LIMIT)
    twice = json.loads(fit_section(once, LIMIT // 2))

    assert truncated(twice) == 100 - len(twice)
    assert json.dumps(twice).count("truncated") == 1


def test_an_interface_may_be_called_truncated() -> None:
    assert truncated(json.loads(encode({"truncated": INTERFACES["veth0001"]}))) == 0
    assert truncated(fitted({"truncated": NetworkIo(10**9, 0, 0, 0, 0)} | INTERFACES)) > 0


def test_one_row_that_is_larger_than_the_room_costs_the_others_nothing() -> None:
    long = Filesystem("/" + "x" * 5000, "x", "ext4", 1, 1, 1, None, True, 50)
    kept = fitted([long, *FILESYSTEMS[:10]])
    assert [row["mount"] for row in kept] == [row.mount for row in FILESYSTEMS[:10]]
    assert truncated(kept) == 1


def test_lists_inside_a_section_keep_their_first_items() -> None:
    rows = [Process(number, "x" * 15, "root", 1.0, 1) for number in range(50)]
    cut = fitted(Processes(500, rows, rows[:3]))

    assert cut["count"] == 500
    assert [row["pid"] for row in cut["byCpu"]] == list(range(len(cut["byCpu"])))
    assert len(cut["byMemory"]) == 3
    assert truncated(cut) == 50 - len(cut["byCpu"])


@pytest.mark.parametrize("section", ["x" * 5000, {"name": "x" * 5000}, [["x" * 5000]], [{}] * 3000])
def test_a_section_of_which_nothing_can_stay_is_an_error(section: object) -> None:
    assert fitted(section) == {"error": "left out: too large for this answer"}


# History.


def test_a_history_keeps_its_newest_points() -> None:
    points = [float(number) for number in range(600)]
    history = {"every": 1.0, "end": 5.0, "cpuUsed": points, "load1": [None, *points[1:]]}
    text = fit_history(encode(history), LIMIT)
    cut = json.loads(text)
    kept = len(cut["cpuUsed"])

    assert LIMIT * 0.8 < len(text) <= LIMIT
    assert (cut["every"], cut["end"]) == (1.0, 5.0)
    assert cut["cpuUsed"] == cut["load1"] == points[-kept:]
    assert cut["truncated"] == 600 - kept


@pytest.mark.parametrize("series", [["a,b"] * 3000, [[1, 2]] * 3000, "x" * 9000])
def test_a_history_that_is_none_is_left_out(series: object) -> None:
    cut = json.loads(fit_history(encode({"every": 1.0, "end": 5.0, "cpuUsed": series}), LIMIT))
    assert list(cut) == ["error"]


# Nodes and answers.


def test_small_sections_stay_whole_and_large_ones_get_equal_shares() -> None:
    detail = {"filesystems": FILESYSTEMS, "load": {"load1": 0.5}, "network": INTERFACES}
    cut = fit_node(node(detail=detail, history={"every": 1.0, "end": 5.0}), LIMIT)
    found = json.loads(cut)

    assert len(cut) <= LIMIT
    assert node(detail={}, history={"every": 1.0, "end": 5.0}) == encode(found | {"detail": {}})
    assert found["detail"]["load"] == {"load1": 0.5}
    sizes = [len(encode(found["detail"][name])) for name in ("filesystems", "network")]
    assert all(1400 < size < 2000 for size in sizes)


def test_large_nodes_of_an_answer_get_equal_shares_and_small_ones_stay_whole() -> None:
    small = node(detail={"load": {"load1": 0.5}})
    large = node(detail={"filesystems": FILESYSTEMS})
    nodes = {f"n{number}": json.loads(large if number % 2 else small) for number in range(20)}

    cut = fit_nodes(named(nodes), 50_000)
    found = json.loads(b"{%b}" % b",".join(cut))

    assert 45_000 < len(b",".join(cut)) <= 50_000
    assert list(found) == list(nodes)
    for number in range(20):
        assert FullStats(*list(found[f"n{number}"].values())[:9]) == STATS
    assert all(encode(found[f"n{number}"]) == small for number in range(0, 20, 2))
    counts = {truncated(found[f"n{number}"]["detail"]["filesystems"]) for number in range(1, 20, 2)}
    assert len(counts) == 1


def test_stats_without_details_are_never_cut() -> None:
    nodes = named({f"n{one}": json.loads(node()) for one in range(100)})
    assert fit_nodes(nodes, 1000) == nodes


def test_a_peers_detail_that_cannot_be_cut_harms_no_other_node() -> None:
    nodes = {"a": json.loads(node(detail="x" * 5000)), "b": json.loads(node(detail={"load": None}))}
    assert fit_nodes(named(nodes), 2000) == named(nodes)


@pytest.mark.parametrize("name", ["a", 'a":{"b":', "\\", '\\"', "kåre", "a:b{"])
def test_a_node_may_have_any_name(name: str) -> None:
    (cut,) = fit_nodes(named({name: json.loads(node(detail={"filesystems": FILESYSTEMS}))}), 3000)
    assert list(json.loads(b"{%b}" % cut)) == [name]
    assert 2500 < len(cut) <= 3000


@given(json_values, json_values, st.integers(0, 400))
def test_whatever_a_peer_sends_the_result_is_json_with_its_stats(
    detail: Any, history: Any, limit: int
) -> None:
    more = {"detail": {"x": detail, "load": {"load1": 1.0}}, "history": history, "more": detail}
    raw = node()[:-1] + b"," + json.dumps(more).encode()[1:]
    try:
        cut = json.loads(fit_node(raw, limit))
    except WireError:
        return
    assert FullStats(*list(cut.values())[:9]) == STATS


@pytest.mark.parametrize("rows", [2_000, 20_000])
def test_every_agent_of_version_2_accepts_what_one_with_many_mounts_and_interfaces_sends(
    rows: int,
) -> None:
    detail = {
        "filesystems": [filesystem(number) for number in range(rows)],
        "network": {f"veth{number}": NetworkIo(1.5, 2.5, 3, 0, 0) for number in range(rows)},
        "diskio": {},
    }
    cut = fit_node(node(detail=detail), RICH_LIMIT)
    answer = PeerAnswer(nodes=decode_fields(b'{"kyle":%b}' % cut))

    entry = peer_node(answer, Question(detail=("network",)), name="kyle", listed="kyle", version=2)

    assert entry == cut
    assert len(cut) > RICH_LIMIT - 1000
    for section in ("filesystems", "network"):
        kept = json.loads(entry)["detail"][section]
        assert len(kept) + truncated(kept) == rows
