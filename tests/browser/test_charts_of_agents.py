"""The charts over real agents: zoom into another node's past, compared nodes, and a node that died."""

import re

import pytest

from bench.harness.agents import Agents
from browser.chromium import Page, expect
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_charts_of_real_agents_compare_zoom_and_mark_a_death(
    page: Page, agents: Agents
) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    await page.goto(f"http://{cartman.address}/#/compare?node=cartman&node=kenny")
    slider = page.get_by_role("slider", name="CPU: moment to read")
    both = re.compile(r": cartman \d.*, kenny \d")
    await expect(slider).to_have_attribute("aria-valuetext", both)
    lines = page.locator(".chart").first.locator(".plot path.line")
    for look in ("c1", "c2"):
        line = page.locator(f".chart .line.{look}").first
        await expect(line).to_have_attribute("d", re.compile("L"))
    await expect(lines).to_have_count(2)

    async def seconds() -> bool:
        """Whether there are some to zoom to."""
        path = await page.locator(".chart .line.c2").first.get_attribute("d")
        return (path or "").count("L") >= 12

    await eventually(seconds, within=40)
    await slider.focus()
    for key in ("ArrowLeft", "Enter", *["Shift+ArrowLeft"] * 1, "Enter"):
        await page.keyboard.press(key)

    await expect(page).to_have_url(re.compile(r"from=\d+&until=\d+"))
    await expect(page.locator(".zoom-text")).to_contain_text("10\u00a0s")
    await expect(slider).to_have_attribute("aria-valuetext", both)

    await page.goto(f"http://{cartman.address}/#/node/kenny?span=300")
    kenny.kill()
    await expect(page.locator(".node-view")).to_have_attribute("data-state", "down")
    down = page.locator(".chart").first.locator(".mark.down")
    await expect(down).to_have_attribute("d", re.compile("Z$"))
    await page.locator(".marks summary").click()
    await expect(page.locator(".marks .text").first).to_contain_text("down: ")
