"""Script, style and layout time that the dashboard takes for each tick of a simulated cluster.

    python bench/dashboard.py [--nodes 200] [--ticks 30] [--view cards|rows|node]
                              [--alerts 0]

Needs Chromium and the Python package playwright. Each tick is sent alone and its repaint waited
for, so the figures are of one tick each, on a screen of 1920 by 1080. The limit for the script of a
tick is 50 ms.
"""

import sys

sys.path[:1] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../tests"]  # concurrent.py hides the library's

import argparse
import asyncio
import statistics
from typing import Any

from bench.harness.options import flag, positive
from bench.harness.report import print_table
from browser.chromium import ARGUMENTS, Page, async_playwright, find_chromium, what_is_missing
from browser.simulated import SimulatedCluster

PARTS = {
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
    "all": "TaskDuration",
}
"""Part of the report -> Chromium's name of it; `all` is everything that the page's thread does."""

PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
WARM = 5


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "nodes", positive, 200, "nodes of the simulated cluster")
    flag(parser, "ticks", positive, 30, "ticks to measure")
    flag(parser, "view", str, "rows", "page to measure", choices=("cards", "rows", "node"))
    flag(parser, "alerts", int, 0, "alerts that fire, spread over the nodes; their panel is open")
    options = parser.parse_args()
    missing = what_is_missing()
    if missing:
        sys.exit(f"this benchmark {missing}")
    names = [f"node-{number:03d}" for number in range(options.nodes)]
    async with SimulatedCluster(names, by_hand=True) as cluster, async_playwright() as playwright:
        for number in range(options.alerts):
            cluster.alert(names[number % len(names)], f"rule-{number // len(names)}")
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        hash_ = f"#/node/{names[1]}" if options.view == "node" else ""
        await page.goto(cluster.url + hash_)
        if options.view != "node":
            await page.get_by_role("button", name=options.view.capitalize()).click()
            await page.locator("[data-node]").nth(options.nodes - 1).wait_for()
        if options.alerts:
            await page.locator("#bell").click()
        taken = await measure(page, cluster, options.ticks)
        await browser.close()
    what = f"{options.nodes} nodes as {options.view}, {options.alerts} alerts"
    print(f"{what}, {options.ticks} ticks; milliseconds per tick")
    rows = [
        [part, f"{statistics.median(times):.1f}", f"{max(times):.1f}"]
        for part, times in taken.items()
    ]
    print_table(["", "median", "max"], rows)


async def measure(page: Page, cluster: SimulatedCluster, ticks: int) -> dict[str, list[float]]:
    """Milliseconds of each tick, by part."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    taken: dict[str, list[float]] = {part: [] for part in PARTS}
    for tick in range(WARM + ticks):
        before = await metrics(session)
        await cluster.tick()
        await page.evaluate(PAINTED)
        after = await metrics(session)
        if tick >= WARM:
            for part, name in PARTS.items():
                taken[part].append(1000 * (after[name] - before[name]))
    return taken


async def metrics(session: Any) -> dict[str, float]:
    """The cost of the page so far, in seconds."""
    answer = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


if __name__ == "__main__":
    asyncio.run(main())
