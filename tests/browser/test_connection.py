"""The page when agents refuse it, vanish, freeze, or require a token."""

import json
import re
import time

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoicmVhZCJ9.c2lnbmF0dXJl"


async def test_the_page_reconnects_to_its_agent_after_a_restart(page: Page) -> None:
    cluster = SimulatedCluster(["a"])
    async with cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(1)

        await cluster.stop()

        await expect(page.locator(".notice")).to_contain_text("Lost a at")
        await expect(page.locator("body")).to_have_attribute("data-connection", "lost")
        await cluster.start()
        await expect(page.locator("#status-line")).to_contain_text("Live from a")
        await expect(page.locator(".notice")).to_be_hidden()


async def test_try_now_does_not_wait_for_the_pause_between_attempts(page: Page) -> None:
    cluster = SimulatedCluster(["a"])
    async with cluster:
        await page.clock.install()
        await page.goto(cluster.url)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        await cluster.stop()

        await expect(page.locator(".notice")).to_contain_text("Lost a at")
        await page.clock.pause_at(time.time() + 60)  # no attempt of its own comes before the click
        await expect(page.locator("#status-line .text")).to_have_text("No connection")
        await cluster.start()
        await page.get_by_role("button", name="Try now").click()
        await expect(page.locator("#status-line .text")).to_have_text(re.compile("for a|from a"))
        await expect(page.locator(".notice")).to_be_hidden()


async def test_the_streams_are_opened_again_on_a_new_connection(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await eventually(lambda: len(cluster.streams) == 6)

        await cluster.stop()
        await cluster.start()

        await expect(page.locator("#status-line")).to_contain_text("Live from a")
        await eventually(lambda: len(cluster.streams) == 6)


async def test_a_silent_agent_counts_as_lost(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        cluster.frozen = True

        await expect(page.locator("#status-line")).to_contain_text("numbers of")
        await expect(page.locator(".notice")).to_contain_text("nothing heard from it for 5 s")


async def test_the_notice_links_to_the_pages_of_other_members_when_none_can_be_reached(
    page: Page,
) -> None:
    cluster = SimulatedCluster(["a", "b<i>"])
    async with cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.locator(".node-view .address")).to_contain_text("10.0.0.1:7070")

        await cluster.stop()

        link = page.locator(".notice").get_by_role("link", name="b<i>")
        await expect(link).to_have_attribute("href", "http://10.0.0.2:7070/#/node/a")


async def test_a_token_is_asked_for_once_and_kept_for_the_session(page: Page) -> None:
    async with SimulatedCluster(["a"], token=TOKEN) as cluster:
        await page.goto(cluster.url)
        field = page.get_by_label("Token", exact=True)
        await field.fill("not a token")
        await page.keyboard.press("Enter")
        await expect(page.locator(".token-form .fault")).to_contain_text("consists of")
        await field.fill("bm90.dGhl.b25l")
        await page.keyboard.press("Enter")
        await expect(page.locator(".token-form .fault")).to_contain_text("is not valid")

        await field.fill(TOKEN)
        await page.keyboard.press("Enter")

        await expect(page.locator("[data-node]")).to_have_count(1)
        await page.reload()
        await expect(page.locator("[data-node]")).to_have_count(1)
        assert TOKEN not in page.url


async def test_a_refused_request_is_shown_with_the_text_of_the_agent(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(1)

        await cluster.say(json.dumps({"host": "a", "error": "too <many>", "code": "forbidden"}))

        await expect(page.locator(".notice")).to_contain_text("The agent refused: too <many>")


async def test_a_browser_without_a_network_is_said_to_be_offline_and_goes_on_when_it_has_one(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        await cluster.stop()
        await page.context.set_offline(True)

        await expect(page.locator("#status-line .text")).to_have_text("Offline")
        await expect(page.locator(".notice")).to_contain_text("This browser is offline")
        await cluster.start()
        await page.context.set_offline(False)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")
        await expect(page.locator(".notice")).to_be_hidden()


async def test_a_page_that_is_offline_is_live_where_its_agent_is_on_the_same_machine(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        await page.evaluate(
            """() => {
                Object.defineProperty(navigator, "onLine", { value: false });
                dispatchEvent(new Event("offline"));
            }"""
        )

        await expect(page.locator("#status-line")).to_contain_text("Live from a")
        await expect(page.locator(".notice")).to_be_hidden()
