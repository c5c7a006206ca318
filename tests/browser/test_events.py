"""The log of events below the nodes."""

import re
import time

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_log_is_searched_by_node_kind_and_text_and_the_address_says_so(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.events = [
            {
                "id": str(number),
                "at": time.time() - number,
                "node": node,
                "kind": kind,
                "text": text,
            }
            for number, (node, kind, text) in enumerate(
                [("db-1", "down", "refused"), ("db-2", "up", ""), ("web-1", "down", "silent")]
            )
        ]
        await page.goto(cluster.url)
        rows = page.locator(".event-list li")
        await page.locator(".events summary").click()
        await expect(rows).to_have_count(3)
        field = page.locator(".events").get_by_role("searchbox")

        for text, found in (("db-*", ["db-1", "db-2"]), ("down", ["db-1", "web-1"])):
            await field.fill(text)
            await expect(rows.get_by_role("link")).to_have_text(found)
        await field.fill("silent")
        await expect(page).to_have_url(re.compile(r"\?about=silent&log=true$"))
        await page.reload()

        await expect(rows.get_by_role("link")).to_have_text(["web-1"])
        await field.fill("nothing")
        await expect(page.get_by_text("No such event.")).to_be_visible()


async def test_events_beyond_those_shown_are_counted(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.events = [
            {"id": str(number), "at": 1.7e9 + number, "node": "a", "kind": "up"}
            for number in range(70)
        ]

        await page.goto(f"{cluster.url}#/?log=true")

        await expect(page.locator(".event-list li")).to_have_count(50)
        await expect(page.get_by_text("and 20 older ones")).to_be_visible()
