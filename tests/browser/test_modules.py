"""The modules without elements: units, states, series, paths, endpoints."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from browser.chromium import Browser, Page
from browser.simulated import SimulatedCluster

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


async def columns(page: Page, body: str, time: float, span: int, count: int) -> list[float | None]:
    """The columns of a series of ten seconds after ``body``; None for a gap."""
    return await run(
        page,
        "series",
        f"const s = new m.Series(10); {body}; "
        f"return [...s.columns({time}, {span}, {count})].map((v) => Number.isNaN(v) ? null : v);",
    )


async def test_a_series_fills_a_short_gap_only(blank: Page) -> None:
    body = "s.put(100.9, 1); s.put(102.1, 3); s.put(106, 7)"

    assert await columns(blank, body, 106, 7, 7) == [1, 3, 3, None, None, None, 7]


async def test_a_series_keeps_a_gap_where_no_number_was_known(blank: Page) -> None:
    body = "s.put(100, 1); s.put(101, NaN); s.put(102, NaN); s.put(103, 4)"

    assert await columns(blank, body, 103, 4, 4) == [1, None, None, 4]


async def test_a_series_drops_values_older_than_its_length(blank: Page) -> None:
    body = "for (let t = 0; t < 25; t += 1) s.put(100 + t, t)"

    assert await columns(blank, body, 124, 12, 12) == [None, None, *range(15, 25)]


async def test_a_history_of_slow_samples_fills_every_second_and_keeps_its_gaps(blank: Page) -> None:
    body = "s.fill(110.2, 2, [1, null, 3, 4])"

    assert await columns(blank, body, 110, 8, 8) == [1, 1, None, None, 3, 3, 4, 4]


async def test_a_history_does_not_overwrite_newer_values(blank: Page) -> None:
    body = "s.put(110, 50); s.fill(108, 1, [1, 2, 3])"

    assert await columns(blank, body, 110, 5, 5) == [1, 2, 3, None, 50]


async def test_columns_are_means_of_their_seconds(blank: Page) -> None:
    body = "for (let t = 0; t < 9; t += 1) s.put(t + 99, t)"

    assert await columns(blank, body, 107, 9, 3) == [1, 4, 7]


async def test_a_clock_set_back_clears_the_series(blank: Page) -> None:
    body = "s.put(1000, 1); s.put(500, 2); s.put(501, 3)"

    assert await columns(blank, body, 501, 4, 4) == [None, None, 2, 3]


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


async def candidates(page: Page, address: str, body: str = "") -> list[str]:
    """The URLs that a page at ``address`` tries, in order, once it knows the members."""
    return await page.evaluate(
        f"""async ([address, members]) => {{
            const {{ Endpoints }} = await import("/endpoints.js");
            const p = new Endpoints(new URL(address));
            p.update(members, p.home);
            {body}
            return p.candidates().map(({{ url }}) => url);
        }}""",
        [address, MEMBERS],
    )


async def test_members_that_are_up_are_tried_first_and_unreachable_ones_never(
    blank: Page,
) -> None:
    assert await candidates(blank, "http://127.0.0.1:7070/") == [
        "ws://127.0.0.1:7070/",
        "ws://127.0.0.1:7071/",
        "ws://[2001:db8::1]:7070/",
    ]


async def test_the_agent_just_lost_is_tried_after_the_others_that_are_up(blank: Page) -> None:
    assert await candidates(blank, "http://127.0.0.1:7070/", "p.lost = p.home;") == [
        "ws://127.0.0.1:7071/",
        "ws://127.0.0.1:7070/",
        "ws://[2001:db8::1]:7070/",
    ]


async def test_a_member_on_loopback_is_expected_on_the_host_of_the_page(blank: Page) -> None:
    assert await candidates(blank, "https://ops.example/nodes/?x#/node/a") == [
        "wss://ops.example/nodes/",
        "wss://ops.example:7071/",
        "wss://[2001:db8::1]:7070/",
    ]
