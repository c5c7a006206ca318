"""Makes the pictures in docs/images: the page over real agents, and over forty simulated nodes.

    python tests/browser/screenshots.py [--run 310]

The agents run for so many seconds before the pictures are taken; five minutes fill the lines.
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
"""Seconds in which everything that only streams bring has come."""

WORK_AT_MOST = 0.6
"""Share of a core that this script burns meanwhile: idle machines make dull pictures."""


async def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=float, default=310, help="seconds before the first picture")
    options = parser.parse_args()
    if missing := what_is_missing():
        sys.exit(f"taking pictures {missing}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        await of_many_nodes(browser)
        with tempfile.TemporaryDirectory(prefix="nodnod-") as folder:
            agents = Agents(Path(folder))
            try:
                await of_real_agents(browser, agents, options.run)
            finally:
                agents.end()
        await browser.close()


async def of_real_agents(browser: Browser, agents: Agents, seconds: float) -> None:
    """A cluster on this machine, with one of its agents killed."""
    cluster = await agents.cluster(*NAMES)
    await work(seconds)
    url = f"http://{cluster[1].address}/"
    pages = {}
    for scheme in ("dark", "light"):
        pages[f"overview-{scheme}"] = await opened(browser, url, scheme, WIDE)
        pages[f"node-{scheme}"] = await opened(browser, f"{url}#/node/stan", scheme, WIDE)
    pages["phone"] = await opened(browser, url, "light", PHONE)
    cluster[2].kill()
    await work(SOME_TICKS)
    for name, page in pages.items():
        await save(page, name)


async def of_many_nodes(browser: Browser) -> None:
    """Forty nodes, of which some are not well."""
    names = [f"{role}-{i:02d}" for i in range(1, 11) for role in ("db", "web", "cache", "worker")]
    async with SimulatedCluster(names) as cluster:
        cluster.fail("web-03", "down: nothing heard for 5 s", state="down")
        cluster.fail("db-04", "disk: /mnt/backup does not answer", silent=False)
        cluster.fail("cache-02", "stale: last heard 3.4 s ago", silent=False)
        page = await opened(browser, cluster.url, "dark", WIDE)
        await asyncio.sleep(SOME_TICKS)
        await save(page, "many-dark")


async def opened(browser: Browser, url: str, scheme: str, size: dict[str, int]) -> Page:
    """A page that shows numbers."""
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": size}
    context = await browser.new_context(**options, device_scale_factor=2 if size is PHONE else 1)
    page = await context.new_page()
    await page.goto(url)
    await expect(page.locator("#served")).to_contain_text("Live from")
    return page


async def save(page: Page, name: str) -> None:
    """Write docs/images/NAME.png."""
    await page.screenshot(path=IMAGES / f"{name}.png")
    await page.context.close()


async def work(seconds: float) -> None:
    """Keep the machine a little busy, now more and now less."""
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
