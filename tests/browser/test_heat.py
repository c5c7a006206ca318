"""The heat map of the nodes, and what is done with nodes: save them, compare them, share the view."""

from collections.abc import Callable
from pathlib import Path

import pytest

from browser.chromium import Page, card, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = [f"node-{number:03d}" for number in range(60)]


async def test_a_square_has_the_value_as_its_color_and_marks_trouble_by_shape(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        cluster.nodes["a"]._disk = 0.05
        cluster.nodes["b"]._disk = 0.93
        cluster.fail("c", "down: connection refused", state="down")
        await page.goto(f"{cluster.url}#/?density=heat&heat=disk")

        await expect(card(page, "a")).to_have_attribute("data-step", "0")
        await expect(card(page, "b")).to_have_attribute("data-step", "9")
        mark = "(one) => getComputedStyle(one, '::before').content"
        assert "◆" in await card(page, "b").evaluate(mark)
        assert "✕" in await card(page, "c").evaluate(mark)
        await page.get_by_role("combobox", name="Color shows").select_option("memory")
        await expect(page).to_have_url(f"{cluster.url}#/?density=heat&heat=memory")


async def test_a_square_tells_its_numbers_to_the_pointer_and_to_the_keyboard(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("b", "disk", text="/var is full")
        await page.goto(f"{cluster.url}#/?density=heat")
        tip = page.get_by_role("tooltip")

        await card(page, "b").hover()
        await expect(tip).to_contain_text("b\nCPU ")
        await expect(tip).to_contain_text("/var is full")
        await page.mouse.move(0, 0)
        await expect(tip).to_be_hidden()
        await card(page, "a").get_by_role("link").focus()
        await expect(tip).to_contain_text("a\nCPU ")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{cluster.url}#/node/a")


async def test_arrows_go_to_the_neighbours_in_the_heat_map(page: Page) -> None:
    async with SimulatedCluster(NAMES) as cluster:
        await page.goto(f"{cluster.url}#/?density=heat&sort=name")
        await card(page, NAMES[0]).get_by_role("link").focus()
        focused = "document.activeElement.textContent"

        await page.keyboard.press("ArrowRight")
        assert await page.evaluate(focused) == NAMES[1]
        below = """() => {
            const all = [...document.querySelectorAll(".square")];
            return all.find((one) => one.offsetTop > all[1].offsetTop
                && one.offsetLeft === all[1].offsetLeft).dataset.node;
        }"""
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate(focused) == await page.evaluate(below)
        await page.keyboard.press("ArrowUp")
        assert await page.evaluate(focused) == NAMES[1]


async def test_a_thousand_squares_are_on_one_screen(open_page: Callable[..., Page]) -> None:
    page = await open_page(viewport={"width": 1920, "height": 1080})
    names = [f"node-{number:04d}" for number in range(1000)]
    async with SimulatedCluster(names, by_hand=True) as cluster:
        for node in cluster.nodes.values():
            node._history = lambda *_: {"every": 1.0, "end": 0.0}  # type: ignore[method-assign]
        await page.goto(f"{cluster.url}#/?density=heat")
        await expect(page.locator(".square")).to_have_count(1000)

        edges = """() => [...document.querySelectorAll(".square")]
            .map((one) => one.getBoundingClientRect())
            .filter(({ bottom, width }) => bottom > innerHeight || width < 16).length"""

        assert await page.evaluate(edges) == 0


async def test_what_is_shown_can_be_saved_as_csv(page: Page, tmp_path: Path) -> None:
    async with SimulatedCluster(["=x", "b", "c"]) as cluster:
        cluster.nodes["b"].tags = {"role": "a,b"}
        cluster.fail("c", "down: connection refused", state="down")
        await page.goto(f"{cluster.url}#/?columns=memory&sort=name&filter=%3Dx,b,c")
        await expect(page.locator(".title[title*='a,b']")).to_be_visible()

        async with page.expect_download() as saved:
            await page.get_by_role("button", name="CSV").click()

        download = await saved.value
        await download.save_as(tmp_path / "nodes.csv")
        head, down, formula, b = (tmp_path / "nodes.csv").read_text().splitlines()
        assert head == "name,state,tags,memoryUsedPercent,memoryUsed,memoryTotal"
        assert down == "c,down,,,,"
        assert formula.startswith("'=x,up,,")
        assert b.startswith('b,up,"role=a,b",')
        assert b.endswith(f",{cluster.nodes['b'].memory}")


async def test_nodes_that_are_picked_can_be_compared(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(cluster.url)
        await card(page, "a").get_by_role("link").focus()
        await page.keyboard.press("c")
        await expect(page.get_by_text("1 node picked, of 2 to 8")).to_be_visible()
        await card(page, "c").hover()
        await page.get_by_role("button", name="Pick c").click()

        await page.get_by_role("link", name="Compare").click()

        await expect(page).to_have_url(f"{cluster.url}#/compare?node=a&node=c")
        await page.go_back()
        await expect(page.get_by_text("2 nodes picked")).to_be_visible()
        await page.get_by_role("button", name="None", exact=True).click()
        await expect(page).to_have_url(f"{cluster.url}#/")
