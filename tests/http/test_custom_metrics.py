"""Numbers of custom files as metrics: one valid exposition, whatever files and nodes say."""

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from nodnod_agent.http.custom_metrics import HELP, custom_metrics, is_bound
from nodnod_agent.http.metric_table import NodeSections
from nodnod_client.sections import Custom, CustomFamily, CustomFile, CustomNumber
from strategies import examples


class Page(Collector):
    """What is written of some nodes."""

    def __init__(self, nodes: dict[str, Custom], *, by_node: bool = True) -> None:
        sections = [NodeSections(name, {"custom": custom}) for name, custom in nodes.items()]
        self._metrics = list(custom_metrics(sections, by_node=by_node))
        self.text = generate_latest(self).decode()
        self.families = list(text_string_to_metric_families(self.text))

    def collect(self) -> list[Metric]:
        """For ``generate_latest``."""
        return self._metrics

    @property
    def types(self) -> dict[str, str]:
        return {family.name: family.type for family in self.families}

    @property
    def series(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """All series; there may be none twice."""
        found = [
            ((one.name, tuple(sorted(one.labels.items()))), one.value)
            for family in self.families
            for one in family.samples
        ]
        assert len(dict(found)) == len(found), self.text
        return dict(found)


def custom(*said: CustomFamily, stale: bool = False, **numbers: Any) -> Custom:
    """One file; a number with labels is a pair of them and its value."""
    rows = []
    for name, value in numbers.items():
        labels, number = value if isinstance(value, tuple) else ({}, value)
        rows.append(CustomNumber("f", name, number, labels))
    return Custom([CustomFile("f", 1.0, stale=stale)], rows, list(said))


def told(name: str, type_: str = "untyped", help_: str = "") -> CustomFamily:
    return CustomFamily("f", name, type_, help_)


HISTOGRAM = {"took_bucket": ({"le": "+Inf"}, 2), "took_sum": 4, "took_count": 2}


def test_types_and_help_are_those_of_the_files() -> None:
    page = Page(
        {
            "a": custom(told("jobs_total", "counter", "Jobs\nso far."), jobs_total=1),
            "b": custom(told("took", "histogram"), told("x", help_="Only help."), x=1, **HISTOGRAM),
        }
    )
    assert page.types == {"jobs": "counter", "took": "histogram", "x": "unknown"}
    assert "# HELP jobs_total Jobs\\nso far.\n# TYPE jobs_total counter\n" in page.text
    assert f"# HELP took {HELP}\n" in page.text
    assert page.series["took_bucket", (("le", "+Inf"), ("node", "b"))] == 2


def test_a_family_of_several_nodes_is_written_once() -> None:
    nodes = {name: custom(told("load", "gauge", name), load=1) for name in "abc"}
    page = Page(nodes)
    assert page.text.count("# TYPE load gauge\n") == page.text.count("# HELP load a\n") == 1
    assert len(page.series) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (custom(told("x", "gauge"), x=1), custom(x=2)),
        (custom(told("x", "gauge"), x=1), custom(told("x", "summary"), x_sum=2)),
        (
            custom(told("x_total", "counter"), x_total=1),
            custom(told("x_total", "gauge"), x_total=2),
        ),
        (custom(told("took", "histogram"), **HISTOGRAM), custom(took_sum=1)),
        (custom(told("took", "histogram"), took_bucket=({"le": "1"}, 1)), custom(took_count=1)),
        (custom(told("took", "histogram"), **HISTOGRAM), custom(told("took", "gauge"), took=1)),
    ],
    ids=["no type", "other type", "counter", "part", "absent part", "base"],
)
def test_where_nodes_differ_no_family_that_is_concerned_has_a_type(
    one: Custom, other: Custom
) -> None:
    page = Page({"a": one, "b": other})
    assert set(page.types.values()) == {"unknown"}
    assert len(page.series) == len(one.numbers) + len(other.numbers)


def test_others_keep_their_types() -> None:
    one = custom(told("x", "gauge"), told("y", "gauge"), x=1, y=1)
    assert Page({"a": one, "b": custom(x=2)}).types == {"x": "unknown", "y": "gauge"}


@pytest.mark.parametrize(
    "said",
    [
        custom(told("took", "histogram"), took_bucket=({"le": "x"}, 1)),
        custom(told("took", "histogram"), took_bucket=1),
        custom(told("took", "histogram"), took_sum=({"le": "1e999"}, 1)),
        custom(told("took", "summary"), took=1),
        custom(told("took", "summary"), took=({"quantile": "1_0"}, 1)),
        custom(told("took", "counter"), took=1),
        custom(told("_total", "counter"), _total=1),
        custom(told("", "summary"), _sum=1),
        custom(told("took", "<b>"), took=1),
    ],
)
def test_what_is_no_family_of_its_type_has_none(said: Custom) -> None:
    page = Page({"a": said})
    assert set(page.types.values()) == {"unknown"}
    assert len(page.series) == 1


def test_a_label_node_of_a_file_gets_a_name_that_is_free() -> None:
    labels = {"node": "x", "exported_node": "y"}
    page = Page({"a": custom(jobs=(labels, 1))})
    assert page.series == {
        ("jobs", (("exported_exported_node", "x"), ("exported_node", "y"), ("node", "a"))): 1
    }
    alone = Page({"": custom(jobs=(labels, 1))}, by_node=False)
    assert alone.series == {("jobs", tuple(sorted(labels.items()))): 1}


def test_stale_files_and_names_of_the_agent_are_left_out() -> None:
    page = Page({"a": custom(old=1, stale=True), "b": custom(nodnod_up=1, process_x=1)})
    assert page.text == ""


@pytest.mark.parametrize(
    ("text", "bound"),
    [("0.5", True), ("+Inf", True), ("1e-3", True), (".5", True), ("-2.", True), ("NaN", True)]
    + [(text, False) for text in ("", "x", "1_0", "1e999", "infinity", " 1", "0x1", "\u0661")],
)
def test_a_bound_is_what_prometheus_reads_as_a_number(text: str, bound: bool) -> None:
    assert is_bound(text) == bound


names = st.sampled_from(["x", "x_sum", "x_count", "x_bucket", "x_total", "x_sum_total", "_total"])
labels = st.dictionaries(
    st.sampled_from(["le", "quantile", "node", "exported_node", "a"]),
    st.sampled_from(["", "1", "0.5", "+Inf", "x", 'a"b\n\\']),
    max_size=3,
)
types = st.sampled_from(["counter", "gauge", "histogram", "summary", "untyped", "?"])
helps = st.sampled_from(["", "a\nb\\", "\r\x00"])
files = st.sampled_from("fg")
customs = st.builds(
    Custom,
    st.just([]),
    st.lists(st.builds(CustomNumber, files, names, st.just(1.0), labels), max_size=6),
    st.lists(st.builds(CustomFamily, files, names, types, helps), max_size=5),
)
several = st.dictionaries(st.sampled_from("ab"), customs, max_size=2)


@examples(200)
@given(several)
def test_any_numbers_of_any_nodes_are_a_valid_page(nodes: dict[str, Custom]) -> None:
    page = Page(nodes)
    wanted = {
        (node, one.name, tuple(sorted(one.labels.items())))
        for node, custom in nodes.items()
        for one in custom.numbers
    }
    assert len(page.series) == len(wanted)
    headings = [line.split()[1:3] for line in page.text.split("\n") if line.startswith("# ")]
    assert len(set(map(tuple, headings))) == len(headings), page.text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
@examples(10)
@given(several)
def test_promtool_reads_any_page(nodes: dict[str, Custom]) -> None:
    text = Page(nodes).text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text.encode(), capture_output=True
    )
    assert done.returncode in (0, 3), (text, done.stderr)  # 3: it dislikes a name
