"""Takes the pictures of the page in docs/images, of simulated nodes.

python tests/browser/screenshots.py
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parent)]  # this folder is no package

from browser.chromium import (  # noqa: E402
    Browser,
    Page,
    expect,
    launched,
    what_is_missing,
)
from browser.simulated import SimulatedCluster  # noqa: E402
from nodnod_client.sections import (  # noqa: E402
    Container,
    Containers,
    Custom,
    CustomFile,
    CustomNumber,
    Process,
    Processes,
)

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
ROLES = {
    "butters": "web", "cartman": "db", "kenny": "web", "kyle": "cache", "stan": "db", "wendy": "web"
}  # fmt: skip
"""The nodes of the small cluster, and the tag of each."""

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SOME_TICKS = 6.0
"""Seconds after which the streams have brought all numbers."""

GIB = 2**30


async def main() -> None:
    """Take all pictures."""
    if missing := what_is_missing():
        sys.exit(f"taking pictures {missing}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with launched() as browser:
        await shoot_six_nodes(browser)
        await shoot_many_nodes(browser)


async def shoot_six_nodes(browser: Browser) -> None:
    """A small cluster in which one node goes down."""
    async with SimulatedCluster(ROLES) as cluster:
        for name, role in ROLES.items():
            cluster.nodes[name].tags = {"role": role, "site": "eu-1"}
        cluster.nodes["stan"].detail = sections(time.time())
        pages = {}
        for theme in ("dark", "light"):
            pages[f"overview-{theme}"] = await open_page(browser, cluster.url, theme, WIDE)
            node = f"{cluster.url}#/node/stan"
            pages[f"node-{theme}"] = await open_page(browser, node, theme, WIDE)
        pages["phone"] = await open_page(browser, cluster.url, "light", PHONE)
        await asyncio.sleep(SOME_TICKS)
        cluster.fail("kenny", "down: connection refused", state="down")
        threshold = {"value": 91.0, "threshold": 85.0, "text": "/var is 91 % full (above 85 %)"}
        cluster.alert("cartman", "filesystem", "warning", object="/var", **threshold)
        cluster.alert("kenny", "down", value=None, threshold=None, text="not reached for 30 s")
        await asyncio.sleep(SOME_TICKS)
        for name, page in pages.items():
            await save(page, name, whole=name.startswith("node"))


async def shoot_many_nodes(browser: Browser) -> None:
    """Forty nodes, some of them with errors."""
    names = [f"{role}-{i:02d}" for i in range(1, 11) for role in ("db", "web", "cache", "worker")]
    async with SimulatedCluster(names) as cluster:
        cluster.fail("web-03", "down: nothing heard for 5 s", state="down")
        cluster.fail("db-04", "disk: /mnt/backup does not answer", silent=False)
        cluster.fail("cache-02", "stale: last heard 3.4 s ago", silent=False)
        page = await open_page(browser, cluster.url, "dark", WIDE)
        await asyncio.sleep(SOME_TICKS)
        await save(page, "many-dark")


def sections(now: float) -> dict[str, Any]:
    """What a database server may run, and numbers of its own."""
    programs = ("postgres", "pgbouncer", "nginx", "python3", "systemd-journal", "sshd", "cron")
    processes = [
        Process(
            *(812 + 37 * i, name, name if i < 3 else "root", 34 / (i + 1), GIB // (i + 1)),
            *("sleeping", 4, now - 86_400 * 12, 2e5 / (i + 1), 1.4e6 / (i + 1)),
        )
        for i, name in enumerate(programs)
    ]
    containers = [
        Container(
            *(f"{i:064x}", name, "docker", f"registry.example/{name}:1.{i}", "running", health),
            *(now - 86_400 * 3, 14 / (i + 1), 2.0, 38 / (i + 1), GIB // (i + 1), 2 * GIB),
            *(4e4, 9e4, 1.2e6 / (i + 1), 2.4e6 / (i + 1), 6 - i, 0),
        )
        for i, (name, health) in enumerate(
            (("shop-api", "healthy"), ("shop-worker", "healthy"), ("exporter", None))
        )
    ]
    custom = Custom(
        [CustomFile("backup.json", now - 600, False), CustomFile("mail.prom", now - 20, False)],
        [
            CustomNumber("backup.json", "backup_age_seconds", 5400.0),
            CustomNumber("backup.json", "backup_bytes", 3.2e9),
            CustomNumber("mail.prom", "queue_length", 12.0, {"queue": "mail"}),
        ],
    )
    found = {
        "processes": Processes(214, processes, processes, processes),
        "containers": Containers(len(containers), containers),
        "custom": custom,
    }
    return {name: msgspec.to_builtins(section) for name, section in found.items()}


async def open_page(browser: Browser, url: str, theme: str, size: dict[str, int]) -> Page:
    """A page that shows live numbers."""
    options: dict[str, Any] = {"color_scheme": theme, "viewport": size}
    context = await browser.new_context(**options, device_scale_factor=2 if size is PHONE else 1)
    page = await context.new_page()
    await page.goto(url)
    await expect(page.locator("#status-line")).to_contain_text("Live from")
    return page


async def save(page: Page, name: str, *, whole: bool = False) -> None:
    """Write docs/images/NAME.png: the window, or the whole page."""
    # Simulated members have addresses where nothing listens.
    await page.evaluate("document.getElementById('failover').hidden = true")
    await page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
    await page.context.close()


if __name__ == "__main__":
    asyncio.run(main())
