"""What surrounds the views: title, header, sizes, contrast, and the page on paper."""

import time
from collections.abc import Callable

import pytest

from browser.busy import busy_node
from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "kenny-with-a-very-long-agent-name.example.internal"

COVERED = """() => {
    const parts = [...document.querySelectorAll(".top > *, .status-line > *")]
        .filter((one) => one.getClientRects().length > 0)
        .map((one) => ({ one, box: one.getBoundingClientRect() }));
    return parts.flatMap((a) => parts
        .filter((b) => a.one !== b.one && !a.one.contains(b.one) && !b.one.contains(a.one))
        .filter((b) => a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1)
        .filter((b) => a.box.top < b.box.bottom - 1 && b.box.top < a.box.bottom - 1)
        .map((b) => `${a.one.className || a.one.id} ${b.one.className || b.one.id}`));
}"""


async def test_the_title_begins_with_the_node_that_is_shown(page: Page) -> None:
    async with SimulatedCluster(["cartman", "b"]) as cluster:
        cluster.fail("b", "down: connection refused", state="down")
        await page.goto(cluster.url)
        await expect(page).to_have_title("(1 down) NodNod")

        await page.goto(f"{cluster.url}#/node/cartman")

        await expect(page).to_have_title("cartman · (1 down) NodNod")


@pytest.mark.parametrize("width", [320, 390, 700])
async def test_a_long_name_of_an_agent_covers_nothing_in_the_header(
    open_page: Callable[..., Page], width: int
) -> None:
    page = await open_page(viewport={"width": width, "height": 800})
    async with SimulatedCluster([LONG]) as cluster:
        for number in range(12):
            cluster.alert(LONG, f"rule-{number}")
        await page.goto(cluster.url)
        await expect(page.locator("#bell")).to_contain_text("◆ 12")
        await expect(page.locator("#status-line")).to_contain_text("Live from kenny")
        assert await page.evaluate(COVERED) == []

        cluster.frozen = True

        await expect(page.locator("#status-line")).to_contain_text("numbers of")
        assert await page.evaluate(COVERED) == []


async def test_sizes_follow_the_font_size_of_the_browser(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(1)
        height = "() => document.querySelector('.brand').getBoundingClientRect().height"
        usual = await page.evaluate(height)

        session = await page.context.new_cdp_session(page)
        await session.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})

        assert await page.evaluate(height) == pytest.approx(2 * usual, rel=0.05)


async def test_more_contrast_is_given_where_it_is_preferred(page: Page) -> None:
    line = """() => getComputedStyle(document.documentElement).getPropertyValue("--line")"""
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        usual = await page.evaluate(line)

        await page.emulate_media(contrast="more")

        assert await page.evaluate(line) != usual


async def test_on_paper_a_node_is_light_and_whole_and_has_no_buttons(
    open_page: Callable[..., Page],
) -> None:
    page = await open_page(color_scheme="dark")
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())
        cluster.alert("a", "memory")
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.locator("[data-section=containers] tbody tr")).to_have_count(24)
        await page.locator("#bell").click()
        await expect(page.get_by_role("dialog", name="Alerts")).to_be_visible()

        await page.emulate_media(media="print")

        assert await page.evaluate(
            "() => getComputedStyle(document.documentElement).colorScheme === 'light'"
        )
        await expect(page.locator("button:visible:not(.sort)")).to_have_count(0)
        await expect(page.locator("input:visible, [role=dialog]:visible")).to_have_count(0)
        heights = await page.evaluate(
            """() => [...document.querySelectorAll(".table, .table td")]
                .filter((one) => one.getClientRects().length > 0)
                .filter((one) => one.scrollHeight > one.clientHeight + 1)
                .map((one) => one.outerHTML)"""
        )
        assert heights == []


async def test_on_paper_the_overview_has_all_of_its_nodes(page: Page) -> None:
    names = [f"node-{number}" for number in range(60)]
    async with SimulatedCluster(names) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(60)

        await page.emulate_media(media="print")

        styles = """() => [...document.querySelectorAll("[data-node]")].map((one) => {
            const { contentVisibility, breakInside } = getComputedStyle(one);
            return `${contentVisibility} ${breakInside}`;
        })"""
        assert set(await page.evaluate(styles)) == {"visible avoid"}


async def test_the_link_to_the_view_is_copied(open_page: Callable[..., Page]) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    async with SimulatedCluster(["a"]) as cluster:
        address = f"{cluster.url}#/node/a?order=network:-recvBytes"
        await page.goto(address)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        await page.get_by_role("button", name="Copy the link").click()

        await expect(page.locator("#link")).to_have_attribute("data-done", "Copied")
        assert await page.evaluate("() => navigator.clipboard.readText()") == address

        await page.keyboard.press("Tab")
        await expect(page.locator("#link[data-done]")).to_have_count(0)
        await page.keyboard.press("c")
        await expect(page.locator("#link")).to_have_attribute("data-done", "Copied")
        await page.keyboard.press("Tab")
        await expect(page.locator("#link[data-done]")).to_have_count(0)
