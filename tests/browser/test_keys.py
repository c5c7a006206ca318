"""The keys, and the dialog that shows them."""

import re

import pytest

from browser.chromium import Locator, Page, card, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")


def keys(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Keys")


async def test_a_question_mark_shows_the_keys_of_the_page_and_escape_hides_them(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")
        link = page.get_by_role("link", name="All nodes")
        await link.focus()

        await page.keyboard.press("?")

        await expect(keys(page)).to_contain_text("show the keys")
        await expect(keys(page)).to_contain_text("move the crosshair")
        await expect(keys(page)).not_to_contain_text("filter by name")
        await page.keyboard.press("Escape")
        await expect(keys(page)).to_be_hidden()
        await expect(link).to_be_focused()
        await expect(page.get_by_role("heading", level=1)).to_have_text("a")


async def test_the_dialog_of_keys_keeps_the_focus_and_all_other_keys(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await expect(card(page, "a")).to_be_visible()
        await page.get_by_role("button", name="Keys").click()
        await expect(keys(page)).to_be_visible()

        for key in ("Tab", "Tab", "Tab", "/", "a"):
            await page.keyboard.press(key)

        await expect(page.get_by_role("searchbox")).not_to_be_focused()
        await expect(page.get_by_role("dialog", name="Alerts")).to_be_hidden()
        await keys(page).get_by_role("button", name="Close").click()
        await expect(keys(page)).to_be_hidden()


async def test_the_key_a_opens_the_alerts_but_is_text_in_a_field(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await expect(page.locator("#bell")).to_contain_text("◆ 1")
        alerts = page.get_by_role("dialog", name="Alerts")

        await page.keyboard.press("a")
        await expect(alerts).to_be_focused()
        await page.keyboard.press("a")
        await expect(alerts).to_be_hidden()
        await page.keyboard.press("/")
        await page.keyboard.press("a")

        await expect(page.get_by_role("searchbox")).to_have_value("a")
        await expect(alerts).to_be_hidden()


async def test_skipping_to_the_content_keeps_the_view(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")

        await page.locator(".skip").focus()
        await page.keyboard.press("Enter")

        await expect(page.locator("#main")).to_be_focused()
        await expect(page).to_have_url(re.compile(r"#/node/a$"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("a")


async def test_every_view_has_one_first_heading(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.get_by_role("heading", level=1)).to_have_text("All nodes")

        await page.goto(f"{cluster.url}#/node/a")

        await expect(page.get_by_role("heading", level=1)).to_have_text("a")
