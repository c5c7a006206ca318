"""Script, style and layout time that the dashboard takes for each tick of a simulated cluster.

    python bench/dashboard.py [--nodes 200] [--ticks 30] [--view cards|rows|heat|node]
                              [--alerts 0] [--against DIR]

Needs Chromium and the Python package playwright. Each tick is sent alone and its repaint waited
for, so the figures are of one tick each, on a screen of 1920 by 1080; the clock of the page goes on
by a second with each. Streams come at their own pace, so every second tick has less to do: the mean
counts. The figures are CPU time, which a busy machine changes little. The limit for the script of a
tick is 50 ms.

`--against` measures another build too, a checkout or its directory of the page, in turns with this
one: this, that, this, that.
"""

import sys

if __name__ == "__main__":
    # From bench/ itself, concurrent.py would hide the library's.
    sys.path[:1] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../tests"]

import argparse
import asyncio
import statistics
from pathlib import Path
from typing import Any

from bench.harness.options import flag, positive
from bench.harness.report import print_table
from browser.chromium import Browser, Page, launched, what_is_missing
from browser.simulated import SimulatedCluster

PARTS = {
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
    "all": "TaskDuration",
}
"""Part of the report -> Chromium's name of it; `all` is everything that the page's thread does."""

WARM = 5
VIEWS = {"cards": "Cards", "rows": "Rows", "heat": "Heat map", "node": ""}
"""View -> the button that shows it."""

PAGE = """
window.ahead = window.received = 0;
const begin = Date.now();
Date.now = () => begin + 1000 * window.ahead;
window.WebSocket = class extends WebSocket {
    constructor(...options) {
        super(...options);
        this.addEventListener("message", () => { window.received += 1; });
    }
};
const frame = () => new Promise(requestAnimationFrame);
window.painted = async (messages) => {
    while (window.received < messages) {
        await frame();
    }
    await frame();
    await frame();
};
"""
"""What is added to the page: its clock stands until it is put on, so that no connection counts as
lost on a busy machine, and it tells when so many messages are painted."""

TURNS = 2
"""Of each build, where there are two."""


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "nodes", positive, 200, "nodes of the simulated cluster")
    flag(parser, "ticks", positive, 30, "ticks to measure")
    flag(parser, "view", str, "rows", "page to measure", choices=tuple(VIEWS))
    flag(parser, "alerts", int, 0, "alerts that fire, spread over the nodes; their panel is open")
    flag(parser, "against", Path, None, "another build: its checkout or directory of the page")
    options = parser.parse_args()
    missing = what_is_missing()
    if missing:
        sys.exit(f"this benchmark {missing}")
    builds = {"this build": None}
    if options.against is not None:
        builds["the other"] = page_in(options.against)
    taken: dict[str, dict[str, list[float]]] = {name: {} for name in builds}
    async with launched() as browser:
        for _ in range(TURNS if len(builds) > 1 else 1):
            for name, directory in builds.items():
                for part, numbers in (await measure(browser, options, directory)).items():
                    taken[name].setdefault(part, []).extend(numbers)
    what = f"{options.nodes} nodes as {options.view}, {options.alerts} alerts"
    print(f"{what}, {len(taken['this build']['all'])} ticks; milliseconds per tick, heap in MB")
    rows = [
        [name, part, *(f"{of(numbers):.1f}" for of in (statistics.mean, statistics.median, max))]
        for name, parts in taken.items()
        for part, numbers in parts.items()
    ]
    print_table(["", "", "mean", "median", "max"], rows)


def page_in(directory: Path) -> Path:
    """The directory of the page in a checkout, or this one itself."""
    inside = directory / "agent" / "nodnod_agent" / "dashboard"
    found = inside if inside.is_dir() else directory
    if not (found / "app.js").is_file():
        sys.exit(f"{directory} is neither a checkout nor the directory of a page")
    return found


async def measure(
    browser: Browser, options: argparse.Namespace, directory: Path | None
) -> dict[str, list[float]]:
    """Milliseconds of each tick, by part; the heap in MB before the first and after the last one."""
    names = [f"node-{number:03d}" for number in range(options.nodes)]
    async with SimulatedCluster(names, by_hand=True) as cluster:
        cluster.dashboard = directory or cluster.dashboard
        for number in range(options.alerts):
            cluster.alert(names[number % len(names)], f"rule-{number // len(names)}")
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.add_init_script(PAGE)
        await page.goto(cluster.url + (f"#/node/{names[1]}" if options.view == "node" else ""))
        if options.view != "node":
            await page.get_by_role("button", name=VIEWS[options.view], exact=True).click()
            await page.locator("[data-node]").nth(options.nodes - 1).wait_for(state="attached")
        if options.alerts:
            await page.locator("#bell").click()
        taken = await measure_ticks(page, cluster, options.ticks)
        if await page.locator("body").get_attribute("data-connection") != "open":
            sys.exit("the page has lost its connection meanwhile: the machine is too busy for it")
        await page.context.close()
    return taken


async def measure_ticks(
    page: Page, cluster: SimulatedCluster, ticks: int
) -> dict[str, list[float]]:
    """As ``measure``, of a page that is open."""
    session = await page.context.new_cdp_session(page)
    # CPU time of the page's thread: on a busy machine, other programs take their part of the time.
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    taken: dict[str, list[float]] = {part: [] for part in PARTS}
    for tick in range(WARM + ticks):
        if tick == WARM:
            heap = [await heap_of(session)]
        received = await page.evaluate("() => { window.ahead += 1; return window.received; }")
        before = await metrics(session)
        sent = await cluster.tick(second=tick)
        await page.evaluate("(all) => window.painted(all)", received + sent)
        after = await metrics(session)
        if tick >= WARM:
            for part, name in PARTS.items():
                taken[part].append(1000 * (after[name] - before[name]))
    return taken | {"heap": [*heap, await heap_of(session)]}


async def heap_of(session: Any) -> float:
    """What lives on the heap of the page, in MB."""
    await session.send("HeapProfiler.collectGarbage")
    return (await metrics(session))["JSHeapUsedSize"] / 1e6


async def metrics(session: Any) -> dict[str, float]:
    """The cost of the page so far, in seconds."""
    answer = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


if __name__ == "__main__":
    asyncio.run(main())
