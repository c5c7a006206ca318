"""What a member may put into its answers: the page goes on, with the numbers of the others."""

import re
import time
from typing import Any

import pytest

from browser.chromium import Page, card, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST_NAME = "n" * 128
POINTS = re.compile("^M.*L.*L")


def histories() -> dict[str, dict[str, Any]]:
    """Histories that no agent makes, and yet passes on."""
    good = {"every": 1.0, "end": time.time()}
    return {
        "nothing": {},
        "null for a list": good | {"cpuUsed": None, "recvBytes": None},
        "other types for lists": good | {"cpuUsed": 5, "recvBytes": {}, "load1": "x"},
        "other types for numbers": good | {"cpuUsed": ["x", {}, []], "recvBytes": ["1", "2"]},
        "huge numbers": good | dict.fromkeys(("cpuUsed", "recvBytes", "load1"), [1e308] * 9),
        "a huge step": good | {"every": 1e15, "cpuUsed": [1] * 9},
        "a step of nothing": good | {"every": 0, "cpuUsed": [1] * 9},
        "a moment without a date": good | {"end": 1e300, "cpuUsed": [1] * 9},
    }


@pytest.mark.parametrize("kind", histories())
async def test_a_member_with_a_strange_history_spoils_nothing_of_others(
    page: Page, kind: str
) -> None:
    async with SimulatedCluster(["first", "bad", "good"]) as cluster:
        cluster.nodes["bad"]._history = lambda *_: histories()[kind]  # type: ignore[method-assign]

        await page.goto(f"{cluster.url}#/compare?node=bad&node=good")
        await expect(page.locator(".plot .line.c2").first).to_have_attribute("d", POINTS)
        await page.goto(f"{cluster.url}#/node/bad?span=86400")
        await expect(page.locator(".chart").first).to_be_visible()
        await page.get_by_role("link", name="All nodes").click()

        await expect(card(page, "good").locator(".network")).to_contain_text("iB/s")


@pytest.mark.parametrize("section", [{}, [], "x", 5, {"temperatures": "x"}, {"temperatures": [{}]}])
async def test_a_member_with_strange_sections_spoils_nothing_of_others(
    page: Page, section: object
) -> None:
    async with SimulatedCluster(["first", "bad", "good"]) as cluster:
        wrong = dict.fromkeys(("system", "sensors", "memory", "diskio", "cpu"), section)
        cluster.nodes["bad"].detail |= wrong

        await page.goto(f"{cluster.url}#/?density=cards&columns=swap&columns=temperature")

        await expect(card(page, "good").locator(".temperature")).to_contain_text("61")
        await card(page, "bad").get_by_role("link").click()
        await expect(page.locator(".chart").first).to_be_visible()


async def test_the_longest_names_and_texts_fit_a_phone(page: Page) -> None:
    async with SimulatedCluster([LONGEST_NAME, "b"]) as cluster:
        cluster.nodes[LONGEST_NAME].tags = {"k" * 32: "v" * 64}
        cluster.fail("b", "e" * 5000, silent=False)
        cluster.left = [LONGEST_NAME + "1"]
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.goto(f"{cluster.url}#/?density=cards")

        await expect(page.locator(".departed")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        reason = card(page, "b").locator(".reason")
        assert await reason.evaluate("(one) => one.clientHeight < one.scrollHeight")
        await card(page, LONGEST_NAME).get_by_role("link").click()
        await expect(page.locator(".node-view dd").first).to_contain_text("vvv")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
