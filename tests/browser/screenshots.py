"""Takes the pictures in docs/images: the page over real agents, and over forty simulated nodes.

    python tests/browser/screenshots.py [--run 310]

The agents run for that many seconds before the pictures are taken; five minutes fill the lines.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parent)]  # this folder is no package

from bench.harness.agents import Agents  # noqa: E402
from browser.chromium import (  # noqa: E402
    ARGUMENTS,
    Browser,
    Page,
    async_playwright,
    expect,
    find_chromium,
    what_is_missing,
)
from browser.simulated import SimulatedCluster  # noqa: E402

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
NAMES = ("butters", "cartman", "kenny", "kyle", "stan", "wendy")
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SOME_TICKS = 6.0
"""Seconds after which the streams have brought all numbers."""

WORK_AT_MOST = 0.6
"""Largest share of a core that this script uses meanwhile, so that the lines are not flat."""


async def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=float, default=310, help="seconds before the first picture")
    options = parser.parse_args()
    if missing := what_is_missing():
        sys.exit(f"taking pictures {missing}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        await shoot_many_nodes(browser)
        with tempfile.TemporaryDirectory(prefix="nodnod-") as folder:
            agents = Agents(Path(folder))
            try:
                await shoot_real_agents(browser, agents, options.run)
            finally:
                agents.end()
        await browser.close()


async def shoot_real_agents(browser: Browser, agents: Agents, seconds: float) -> None:
    """A cluster on this machine, with one of its agents killed."""
    cluster = await agents.cluster(*NAMES)
    await work(seconds)
    url = f"http://{cluster[1].address}/"
    pages = {}
    for theme in ("dark", "light"):
        pages[f"overview-{theme}"] = await open_page(browser, url, theme, WIDE)
        pages[f"node-{theme}"] = await open_page(browser, f"{url}#/node/stan", theme, WIDE)
    pages["phone"] = await open_page(browser, url, "light", PHONE)
    cluster[2].kill()
    await work(SOME_TICKS)
    for name, page in pages.items():
        await save(page, name)


async def shoot_many_nodes(browser: Browser) -> None:
    """Forty simulated nodes, some of them with errors."""
    names = [f"{role}-{i:02d}" for i in range(1, 11) for role in ("db", "web", "cache", "worker")]
    async with SimulatedCluster(names) as cluster:
        cluster.fail("web-03", "down: nothing heard for 5 s", state="down")
        cluster.fail("db-04", "disk: /mnt/backup does not answer", silent=False)
        cluster.fail("cache-02", "stale: last heard 3.4 s ago", silent=False)
        page = await open_page(browser, cluster.url, "dark", WIDE)
        await asyncio.sleep(SOME_TICKS)
        await save(page, "many-dark")


async def open_page(browser: Browser, url: str, theme: str, size: dict[str, int]) -> Page:
    """A page that shows live numbers."""
    options: dict[str, Any] = {"color_scheme": theme, "viewport": size}
    context = await browser.new_context(**options, device_scale_factor=2 if size is PHONE else 1)
    page = await context.new_page()
    await page.goto(url)
    await expect(page.locator("#status-line")).to_contain_text("Live from")
    return page


async def save(page: Page, name: str) -> None:
    """Write docs/images/NAME.png."""
    await page.screenshot(path=IMAGES / f"{name}.png")
    await page.context.close()


async def work(seconds: float) -> None:
    """Keep the machine partly busy, at a varying rate."""
    rng = random.Random(7)
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        effort = rng.uniform(0.05, WORK_AT_MOST)
        for _ in range(rng.randrange(10, 60)):
            begun = loop.time()
            while loop.time() < begun + 0.1 * effort:
                sum(range(1000))
            await asyncio.sleep(0.1 * (1 - effort))


if __name__ == "__main__":
    asyncio.run(main())
