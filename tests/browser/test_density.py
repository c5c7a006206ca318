"""The nodes of the overview as cards and rows: what is painted, columns, clicks, fine lines."""

import base64
from collections.abc import Callable

import pytest

from browser.chromium import Page, card, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = [f"node-{number:03d}" for number in range(120)]


async def test_a_node_that_was_never_in_sight_is_its_link_only(page: Page) -> None:
    async with SimulatedCluster(NAMES) as cluster:
        await page.goto(cluster.url)
        last = card(page, NAMES[-1])
        await expect(card(page, NAMES[0]).locator(".cpu .value")).to_contain_text("%")
        await expect(last.get_by_role("link", name=NAMES[-1])).to_be_attached()
        assert await last.locator("*").count() == 2

        await last.scroll_into_view_if_needed()

        await expect(last.locator(".cpu .value")).to_contain_text("%")


async def test_a_page_that_is_printed_has_all_nodes(page: Page) -> None:
    async with SimulatedCluster(NAMES) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, NAMES[0]).locator(".cpu .value")).to_contain_text("%")

        await page.evaluate("dispatchEvent(new Event('beforeprint'))")

        await expect(card(page, NAMES[-1]).locator(".cpu .value")).to_contain_text("%")


@pytest.mark.parametrize("density", ["cards", "rows"])
async def test_a_node_that_is_down_is_one_line(page: Page, density: str) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", "down: " + "a host that does not answer at all " * 9, state="down")
        await page.goto(f"{cluster.url}#/?density={density}")

        await expect(card(page, "b").locator(".reason")).to_be_visible()

        box = await card(page, "b").bounding_box()
        assert box is not None
        assert box["height"] <= 32


DARK_LINES = """async (image) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${image}`)).blob());
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(1, 0, 1, bitmap.height);
    const light = Array.from({ length: bitmap.height }, (_, y) => data[4 * y] + data[4 * y + 1]);
    let [lines, last] = [0, -9];
    light.forEach((value, y) => {
        if (value < (light[y - 4] ?? 0) - 8 && value < (light[y + 4] ?? 0) - 8) {
            lines += y - last > 3 ? 1 : 0;
            last = y;
        }
    });
    return lines;
}"""


@pytest.mark.parametrize("factor", [1, 1.25, 1.5, 2])
async def test_there_is_a_line_between_any_two_rows(
    open_page: Callable[..., Page], factor: float
) -> None:
    page = await open_page(
        device_scale_factor=factor, color_scheme="light", bypass_csp=True, reduced_motion="reduce"
    )
    async with SimulatedCluster(NAMES[:20], by_hand=True) as cluster:
        for number in (3, 8, 9):
            cluster.alert(NAMES[number], "disk", "warning")
        await page.goto(f"{cluster.url}#/?density=rows&sort=name")
        # Text of another size: rows with an alert have a height that is no whole number.
        await page.evaluate("document.documentElement.style.fontSize = '15.3px'")
        await eventually(lambda: len(cluster.streams) == 4)
        await cluster.tick()
        await expect(page.locator(".alert-item")).to_have_count(3)
        box = await page.locator(".nodes").bounding_box()
        assert box is not None

        edge = {"x": box["x"] + 3, "y": box["y"] + 3, "width": 4, "height": box["height"] - 6}
        image = await page.screenshot(clip=edge, full_page=True)  # type: ignore[arg-type]

        text = base64.b64encode(image).decode()
        assert await page.evaluate(DARK_LINES, text) == 19


async def test_numbers_can_be_selected_and_a_click_opens_the_node(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)
        extent = card(page, "b").locator(".memory .extent")
        await expect(extent).to_contain_text("GiB")
        box = await extent.bounding_box()
        assert box is not None

        await page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] + 1, box["y"] + box["height"] / 2)
        await page.mouse.up()

        assert "GiB" in await page.evaluate("getSelection().toString()")
        await expect(page).to_have_url(cluster.url)
        await page.mouse.click(box["x"] + 2, box["y"] - 4)  # ends the selection
        await card(page, "b").locator(".disk .label").click()
        await expect(page).to_have_url(f"{cluster.url}#/node/b")


async def test_columns_can_be_chosen_and_only_those_shown_are_requested(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(f"{cluster.url}#/?density=rows")
        await expect(card(page, "a").locator(".disk .value")).to_contain_text("%")
        assert details(cluster) == []
        await page.locator("summary", has_text="Columns").click()

        for column in ("Disk", "Load", "Swap", "Temperature", "Pressure", "Uptime", "Disk I/O"):
            await page.get_by_role("checkbox", name=column, exact=True).click()

        await expect(card(page, "a").locator(".disk")).not_to_be_attached()
        await expect(card(page, "a").locator(".swap .value")).to_contain_text("%")
        await expect(card(page, "a").locator(".temperature .value")).to_have_text("61\u00a0°C")
        await expect(card(page, "a").locator(".uptime .value")).to_contain_text(" d")
        await expect(card(page, "a").locator(".io .value").first).to_contain_text("/s")
        assert sorted(details(cluster)) == [["memory"], ["sensors"]]
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Swap").click()
        await expect(page).to_have_url(
            f"{cluster.url}#/?density=rows&columns=cpu&columns=memory&columns=network&columns=io"
            "&columns=load&columns=swap&columns=temperature&columns=pressure&columns=uptime&sort=swap"
        )
        await page.goto(f"{cluster.url}#/node/a")
        await eventually(lambda: ["memory"] not in details(cluster))


def details(cluster: SimulatedCluster) -> list[list[str]]:
    """The sections that streams ask of all nodes."""
    requests = cluster.streams.values()
    return [one["detail"] for one in requests if "detail" in one and "nodes" not in one]
