"""The modules without elements: units, states, series, paths, endpoints."""

import json
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
import pytest_asyncio

from browser.chromium import Browser, Page
from browser.simulated import SimulatedCluster
from nodnod_agent.core.pattern import matcher
from nodnod_agent.core.tag_pattern import is_tag_pattern

pytestmark = pytest.mark.asyncio(loop_scope="session")

GAP = "\u00a0"
NONE = "\N{EN DASH}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def blank(browser: Browser) -> AsyncIterator[Page]:
    """A page that can import the modules."""
    async with SimulatedCluster(["a"]) as cluster:
        page = await browser.new_page()
        await page.goto(f"{cluster.url}icon.svg")
        yield page
        await page.context.close()


async def run(page: Page, module: str, body: str) -> Any:
    return await page.evaluate(f"async () => {{ const m = await import('/{module}.js'); {body} }}")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("bytes(0)", f"0{GAP}B"),
        ("bytes(999)", f"999{GAP}B"),
        ("bytes(1000)", f"0.98{GAP}KiB"),
        ("bytes(5699850240)", f"5.31{GAP}GiB"),
        ("bytes(2 ** 80)", f"1048576{GAP}EiB"),
        ("bytes(1e308)", f"8.67e+289{GAP}EiB"),
        ("moment(1e300)", NONE),
        ("bytes(null)", NONE),
        ("bytes(NaN)", NONE),
        ("bytes('1')", NONE),
        ("partOf(2 ** 30, 2 ** 33)", f"1.00 of 8.00{GAP}GiB"),
        ("partOf(0, 0)", NONE),
        ("rate(1536)", f"1.50{GAP}KiB/s"),
        ("percent(26.741)", f"26.7{GAP}%"),
        ("percent(undefined)", NONE),
        ("duration(0)", f"0{GAP}s"),
        ("duration(59.9)", f"59{GAP}s"),
        ("duration(3725)", f"1{GAP}h 2{GAP}min"),
        ("duration(86405)", f"1{GAP}d"),
        ("duration(-5)", f"0{GAP}s"),
        ("count(1, 'node')", "1 node"),
        ("count(0, 'node')", "0 nodes"),
    ],
)
async def test_numbers_have_a_unit_and_three_digits(blank: Page, call: str, text: str) -> None:
    assert await run(blank, "units", f"return m.{call};") == text


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("", "up"),
        ("stale: last heard 3.2 s ago", "stale"),
        ("no answer within 1 s", "stale"),
        ("down: connection refused", "down"),
        ("stale: last heard 0.4 s ago; down: connection closed", "down"),
        ("not connected yet", "down"),
        ("unknown node", "down"),
        ("disk: /mnt does not answer", "error"),
        ("bad answer: it is about node 'x'", "error"),
        ("the link is down: no", "error"),
    ],
)
async def test_the_state_follows_from_the_error(blank: Page, error: str, state: str) -> None:
    assert (
        await blank.evaluate("async (error) => (await import('/state.js')).stateOf(error)", error)
        == state
    )


COLUMNS = {
    "a short gap is filled, a long one is not": (
        "s.put(100.9, 1); s.put(102.1, 3); s.put(106, 7)",
        "106, 7, 7",
        [1, 3, 3, None, None, None, 7],
    ),
    "a gap where no number was known is kept": (
        "s.put(100, 1); s.put(101, NaN); s.put(102, NaN); s.put(103, 4)",
        "103, 4, 4",
        [1, None, None, 4],
    ),
    "values older than the length of the series are dropped": (
        "for (let t = 0; t < 25; t += 1) s.put(100 + t, t)",
        "124, 12, 12",
        [None, None, *range(15, 25)],
    ),
    "a history of slow samples fills every second and keeps its gaps": (
        "s.fill(110.2, 2, [1, null, 3, 4])",
        "110, 8, 8",
        [1, 1, None, None, 3, 3, 4, 4],
    ),
    "a history does not overwrite newer values": (
        "s.put(110, 50); s.fill(108, 1, [1, 2, 3])",
        "110, 5, 5",
        [1, 2, 3, None, 50],
    ),
    "a history that ended before now ends there": (
        "s.put(110, NaN); s.fill(110, 1, [1, 2, 3], 4)",
        "110, 8, 8",
        [None, 1, 2, 3, None, None, None, None],
    ),
    "columns are means of their seconds": (
        "for (let t = 0; t < 9; t += 1) s.put(t + 99, t)",
        "107, 9, 3",
        [1, 4, 7],
    ),
    "a clock set back clears the series": (
        "s.put(1000, 1); s.put(500, 2); s.put(501, 3)",
        "501, 4, 4",
        [None, None, 2, 3],
    ),
}


@pytest.mark.parametrize(("body", "span", "columns"), COLUMNS.values(), ids=COLUMNS)
async def test_a_series_of_ten_seconds_has_columns(
    blank: Page, body: str, span: str, columns: list[float | None]
) -> None:
    program = (
        f"const s = new m.Series(10); {body}; "
        f"return [...s.columns({span})].map((v) => Number.isNaN(v) ? null : v);"
    )
    assert await run(blank, "series", program) == columns


async def test_a_line_breaks_at_a_gap_and_a_single_point_shows(blank: Page) -> None:
    drawn = await run(blank, "path", "return m.paths([0, 50, NaN, 100, NaN], 100, 10);")

    assert drawn["line"] == "M0 10L1 5M3 0h0"
    assert drawn["area"] == "M0 10L0 10L1 5L1 10ZM3 10L3 0L3 10Z"


MEMBERS = [
    {"name": "a", "address": "127.0.0.1:7070", "state": "up", "version": 2},
    {"name": "b", "address": "127.0.0.1:7071", "state": "up", "version": 2},
    {"name": "c", "address": "[fe80::1%eth0]:7070", "state": "up", "version": 2},
    {"name": "d", "address": "[2001:db8::1]:7070", "state": "down", "version": 2},
    {"name": "v1", "address": "10.0.0.9:7070", "state": "up", "version": 1},
    {"name": "e", "address": "10.0.0.5:7070", "state": "left", "version": 2},
]


CANDIDATES = {
    "members that are up are tried first and unreachable ones never": (
        "http://127.0.0.1:7070/",
        "",
        ["ws://127.0.0.1:7070/", "ws://127.0.0.1:7071/", "ws://[2001:db8::1]:7070/"],
    ),
    "the agent just lost is tried after the others that are up": (
        "http://127.0.0.1:7070/",
        "e.lost = e.home;",
        ["ws://127.0.0.1:7071/", "ws://127.0.0.1:7070/", "ws://[2001:db8::1]:7070/"],
    ),
    "a member on loopback is expected on the host of the page": (
        "https://ops.example/nodes/?x#/node/a",
        "",
        ["wss://ops.example/nodes/", "wss://ops.example:7071/", "wss://[2001:db8::1]:7070/"],
    ),
}


@pytest.mark.parametrize(("address", "body", "urls"), CANDIDATES.values(), ids=CANDIDATES)
async def test_a_page_that_knows_the_members_tries_these_urls_in_order(
    blank: Page, address: str, body: str, urls: list[str]
) -> None:
    program = f"""const e = new m.Endpoints(new URL({json.dumps(address)}));
        e.update({json.dumps(MEMBERS)}, e.home);
        {body}
        return e.candidates().map(({{ url }}) => url);"""
    assert await run(blank, "endpoints", program) == urls


FILTERS = {
    "": ["db-1", "db-2", "web-1"],
    "DB-": ["db-1", "db-2"],
    "db-*": ["db-1", "db-2"],
    "b-1": ["db-1", "web-1"],
    "b-?": [],
    "*b-[!2-9]": ["db-1", "web-1"],
    "db-[z-a]": [],
    "db-[": [],
    "web, db-2": ["db-2", "web-1"],
    "tag:role": ["db-1", "db-2"],
    "tag:role=d*": ["db-1", "db-2"],
    "tag:role=d tag:site=a.b": ["db-2"],
    "tag:site=a*z": [],
    "site:a.b": ["db-2"],
    "site:*": ["db-1", "db-2"],
    "tag:site=[]a]+b": ["db-1"],
}


@pytest.mark.parametrize(("text", "names"), FILTERS.items())
async def test_a_filter_has_parts_of_names_and_patterns(
    blank: Page, text: str, names: list[str]
) -> None:
    program = f"""const nodes = [
            {{ name: "db-1", tags: ["role=db", "site=a+b"] }},
            {{ name: "db-2", tags: ["role=db", "site=a.b"] }},
            {{ name: "web-1", tags: [] }},
        ];
        return nodes.filter(m.filterOf({json.dumps(text)})).map(({{ name }}) => name);"""
    assert await run(blank, "filter", program) == names


@pytest.mark.parametrize("pattern", ["*a" * 40 + "b", "*?" * 60 + "b", "a*" * 20_000])
async def test_a_pattern_of_many_stars_is_no_work(blank: Page, pattern: str) -> None:
    program = f"""return m.textTest({json.dumps(pattern)})("a".repeat(100));"""
    assert await run(blank, "filter", program) is False


@pytest.mark.parametrize("text", ["", "xx", "xay", "xaby", "aabxaby", "abab", "ab"])
@pytest.mark.parametrize("pattern", ["*", "**", "*ab*", "a*b", "*a?*y", "*a*b*", "[ax]*b*y", "*b"])
async def test_a_pattern_fits_as_in_a_shell(blank: Page, pattern: str, text: str) -> None:
    program = f"return m.textTest({json.dumps(pattern)})({json.dumps(text)});"
    assert await run(blank, "filter", program) is fnmatchcase(text, pattern)


BEGINNINGS = {
    "the common beginning ends at a separator": (
        ["frontend-prod-01.example", "frontend-prod-02.example"],
        [14, 14],
    ),
    "what another name has alone does not matter": (
        ["frontend-prod-01", "backend-prod-00001"],
        [0, 0],
    ),
    "short names are shown as they are": (["node-1", "node-2"], [0, 0]),
    "one name may begin another": (["/var/lib/docker/a", "/var/lib/docker"], [9, 0]),
    "an emoji stays whole": (
        ["frontend-prod-\N{ROCKET}1", "frontend-prod-\N{RAILWAY CAR}2"],
        [14, 14],
    ),
}


@pytest.mark.parametrize(("names", "at"), BEGINNINGS.values(), ids=BEGINNINGS)
async def test_names_with_a_common_beginning_are_cut_in_the_middle(
    blank: Page, names: list[str], at: list[int]
) -> None:
    program = f"const names = {json.dumps(names)}; const all = m.beginnings(names);"
    found = await run(blank, "elide", f"{program} return names.map((name) => all.get(name));")
    assert found == at


PATTERNS = {
    "a name stands for itself": ("a?b#c%[1]", "a?b#c%[1]"),
    "one that begins like a pattern of tags does not": ("tag:role[1]", "tag?role?1]"),
    "one that begins like that of a site does not": ("site:7070", "site?7070"),
    "of a long one the beginning counts": ("x" * 129, "x" * 127 + "*"),
    "agents count characters": ("\N{ROCKET}" * 128, "\N{ROCKET}" * 128),
    "no character is cut": ("\N{ROCKET}" * 129, "\N{ROCKET}" * 127 + "*"),
}


@pytest.mark.parametrize(("name", "pattern"), PATTERNS.values(), ids=PATTERNS)
async def test_a_node_is_asked_for_by_a_pattern_that_fits_its_name(
    blank: Page, name: str, pattern: str
) -> None:
    assert await run(blank, "route", f"return m.pattern({json.dumps(name)});") == pattern
    assert matcher([pattern])(name)
    assert not is_tag_pattern(pattern)


async def test_a_tag_that_no_node_has_makes_one_group(blank: Page) -> None:
    program = """const nodes = [{ name: "a", member: { tags: { role: "db" } } }, { name: "b", member: null }];
        return m.groupsBy("constructor", nodes).map(({ value, nodes: some }) => [value, some.length]);"""
    assert await run(blank, "order", program) == [[None, 2]]
