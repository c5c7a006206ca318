"""The modules of the charts without elements: tracks, stretches, paths, axes and marks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from browser.chromium import Browser, Page
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def blank(browser: Browser) -> AsyncIterator[Page]:
    """A page that can import the modules, far from UTC."""
    async with SimulatedCluster(["a"]) as cluster:
        context = await browser.new_context(timezone_id="Asia/Kolkata")
        page = await context.new_page()
        await page.goto(f"{cluster.url}icon.svg")
        yield page
        await context.close()


async def run(page: Page, module: str, body: str) -> Any:
    return await page.evaluate(
        f"""async () => {{
            const m = await import('/{module}.js');
            const plain = (values) => values && [...values].map((v) => Number.isNaN(v) ? null : v);
            const track = (first, every, means, peaks = null) => ({{ first, every, means, peaks }});
            {body}
        }}"""
    )


TRACK = "const t = track(100, 10, Float32Array.of(1, 2, NaN, 4), Float32Array.of(1, 5, NaN, 4));"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("return m.valueAt(t, 114)", 2),
        ("return m.valueAt(t, 131)", 4),
        ("return [m.valueAt(t, 120), m.valueAt(t, 80)].map(Number.isNaN)", [True, True]),
        ("return m.lastOf(t)", 4),
        ("return m.summaryOf(t, 0, 200)", {"lowest": 1, "mean": 7 / 3, "highest": 5}),
        ("return m.summaryOf(t, 125, 200)", {"lowest": 4, "mean": 4, "highest": 4}),
        ("return Number.isNaN(m.summaryOf(t, 115, 125).mean)", True),
        ("const c = m.cut(t, 112, 118); return [c.first, plain(c.means)]", [110, [2, None]]),
        ("const c = m.cut(t, 500, 600); return c.means.length", 0),
    ],
)
async def test_a_track_has_values_and_summaries(blank: Page, body: str, result: object) -> None:
    assert await run(blank, "track", f"{TRACK} {body};") == result


async def test_tracks_are_stacked_where_one_of_them_is_known(blank: Page) -> None:
    program = """
        const a = track(0, 1, Float32Array.of(1, NaN, NaN)), b = track(0, 1, Float32Array.of(2, 3, NaN));
        return m.stack([a, b]).map(plain);
    """
    assert await run(blank, "track", program) == [[1, 0, None], [3, 3, None]]


async def test_a_stretch_is_dated_by_its_end_and_the_clocks(blank: Page) -> None:
    program = """
        const s = new m.Stretch({ every: 10, end: 1030, x: [1, null, 3], xMax: [4, null, 6] }, 30);
        const t = s.track("x", 0, 2000);
        return [t.first, t.every, plain(t.means), plain(t.peaks), s.track("y", 0, 1).means.length];
    """
    expected = [980, 10, [1, None, 3], [4, None, 6], 0]
    assert await run(blank, "stretch", program) == expected


@pytest.mark.parametrize(
    ("body", "first", "means", "peaks"),
    [
        ("put(100, 1), s.put(101, 3)", 100, [1, 3], [1, 3]),
        ("fill(103, 2, [1, 5], 0, [2, 9])", 100.5, [1, 5], [2, 9]),
    ],
)
async def test_a_series_as_a_track_has_its_peaks(
    blank: Page, body: str, first: float, means: list[float], peaks: list[float]
) -> None:
    program = f"""
        const s = new m.Series(10, {{ peaks: true }}); s.{body};
        const t = s.track(100, s.newest, 2);
        return [t.first, plain(t.means), plain(t.peaks)];
    """
    assert await run(blank, "series", program) == [first, means, peaks]


async def test_a_copied_series_keeps_its_times(blank: Page) -> None:
    program = """
        const a = new m.Series(5), b = new m.Series(9);
        a.put(100, 1), a.put(101, 2), b.copy(a), b.copy(new m.Series(5));
        return [b.newest, plain(b.columns(101, 3, 3))];
    """
    assert await run(blank, "series", program) == [101, [None, 1, 2]]


async def test_the_band_between_two_lines_is_closed_at_each_gap(blank: Page) -> None:
    program = "return m.band([0, 0, NaN, 50], [100, 50, 1, 100], 100, 10, 1, 2);"
    expected = "M1 0L3 5L3 10L1 10ZM7 0L7 5Z"
    assert await run(blank, "path", program) == expected


@pytest.mark.parametrize(
    ("span", "texts"),
    [
        (40, ["17:30:00", "17:30:10", "17:30:20", "17:30:30", "17:30:40"]),
        (300, ["17:30", "17:31", "17:32", "17:33", "17:34", "17:35"]),
        (43_200, ["18:00", "20:00", "22:00", "1 Dec", "02:00", "04:00"]),
        (604_800, ["1 Dec", "3 Dec", "5 Dec", "7 Dec"]),
    ],
)
async def test_the_times_of_the_axis_are_round_where_the_viewer_lives(
    blank: Page, span: int, texts: list[str]
) -> None:
    from_ = 1_796_040_000  # 30 November 2026, 12:00 UTC
    program = f"return m.timeTicks({from_}, {from_ + span}).map(({{ text }}) => text);"
    assert await run(blank, "axis", program) == texts


MARKS = {
    "what is down is so until it is back": (
        [("down", 100, "gone"), ("restarted", 160, "")],
        [],
        [["down: gone", 100, 160], ["restarted", 160, 160]],
    ),
    "a node that is still down has no end": ([("down", 100, "")], [], [["down", 100, None]]),
    "an alert lasts until it is cleared, and a change of severity begins another": (
        [
            ("alert-fired", 100, "disk /a, warning: full"),
            ("alert-fired", 120, "disk /a, critical: fuller"),
            ("alert-cleared", 130, "disk /a: empty"),
        ],
        [],
        [["full", 100, 120], ["fuller", 120, 130]],
    ),
    "an alert of which the log knows no end lasts while it fires": (
        [
            ("alert-fired", 100, "disk /a, warning: full"),
            ("alert-fired", 110, "load, warning: high"),
        ],
        [{"rule": "load", "object": "", "since": 110}, {"rule": "x", "object": "y", "since": 90}],
        [["x y", 90, None], ["full", 100, 100], ["high", 110, None]],
    ),
}


@pytest.mark.parametrize(("events", "firing", "marks"), MARKS.values(), ids=MARKS)
async def test_marks_have_a_beginning_and_an_end(
    blank: Page, events: list[Any], firing: list[dict[str, Any]], marks: list[Any]
) -> None:
    rows = [
        {"node": "n", "kind": kind, "at": at + 7, "text": text}
        for kind, at, text in reversed(events)
    ]
    usual = {"node": "n", "severity": "warning", "text": ""}
    alerts = [usual | alert | {"since": alert["since"] + 7} for alert in firing]
    found = await blank.evaluate(
        """async ([events, alerts]) => {
            const { marksOf } = await import('/marks.js');
            return marksOf(events, alerts, 7).map(({ text, from, until }) => [text, from, until]);
        }""",
        [rows, alerts],
    )
    assert found == marks
