"""The tables of a node: their order, their search, and that they fit."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser.busy import busy_node
from browser.chromium import Locator, Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


def head(page: Page, section: str, name: str) -> Locator:
    return page.locator(f"[data-section={section}] th", has_text=name).first


def names(page: Page, section: str) -> Locator:
    return page.locator(f"[data-section={section}] tbody td:first-child .name")


def traffic(received: float) -> dict[str, float]:
    return {"recvBytes": received, "sentBytes": 1.0, "packets": 1.0, "errors": 0.0, "drops": 0.0}


def custom(**values: float | None) -> dict[str, Any]:
    numbers = [{"file": "f", "name": name, "value": value} for name, value in values.items()]
    return {"files": [], "numbers": numbers}


async def test_a_click_on_a_head_sorts_and_another_one_reverses(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["custom"] = custom(c=9.0, b=100.0, d=9.0, a=None, e=20.0)
        await page.goto(f"{cluster.url}#/node/a")
        rows, value = names(page, "custom"), head(page, "custom", "Value")
        await expect(rows).to_have_text(["c", "b", "d", "a", "e"])
        await expect(value).not_to_have_attribute("aria-sort", re.compile(""))

        await value.get_by_role("button").click()
        await expect(rows).to_have_text(["b", "e", "c", "d", "a"])
        await expect(value).to_have_attribute("aria-sort", "descending")
        await value.get_by_role("button").press("Enter")

        await expect(rows).to_have_text(["c", "d", "e", "b", "a"])
        await expect(value).to_have_attribute("aria-sort", "ascending")
        await expect(page).to_have_url(re.compile(r"#/node/a\?order=custom:value$"))


async def test_the_address_has_the_order_and_what_is_searched(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["custom"] = custom(aa=1.0, ab=2.0, b=3.0)

        await page.goto(f"{cluster.url}#/node/a?order=custom:-name&find=custom:a*")

        await expect(names(page, "custom")).to_have_text(["ab", "aa"])
        field = page.locator("[data-section=custom]").get_by_role("searchbox")
        await expect(field).to_have_value("a*")
        await field.fill("")
        await expect(names(page, "custom")).to_have_text(["b", "ab", "aa"])
        await expect(page).to_have_url(re.compile(r"\?order=custom:-name$"))


async def test_a_long_table_has_a_field_that_finds_rows_by_any_of_their_words(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())
        await page.goto(f"{cluster.url}#/node/a")
        panel = page.locator("[data-section=containers]")

        await panel.get_by_role("searchbox").fill("WORKER:1.2")

        await expect(names(page, "containers")).to_have_count(5)
        await expect(panel.locator(".above .note")).to_have_text("5 of 24")
        await panel.get_by_role("searchbox").fill("*worker-7")
        await expect(names(page, "containers")).to_have_count(1)
        await panel.get_by_role("searchbox").fill("nothing")
        await expect(panel.get_by_text("No row matches.")).to_be_visible()
        await expect(page.locator("[data-section=diskio]").get_by_role("searchbox")).to_be_hidden()


async def test_a_slash_leads_to_the_first_field_of_a_node(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        field = page.locator("[data-section=processes]").get_by_role("searchbox")
        await expect(field).to_be_visible()

        await page.keyboard.press("/")

        await expect(field).to_be_focused()


async def test_interfaces_stay_in_the_order_of_their_names(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        network = {"eth10": traffic(5.0), "eth9": traffic(1.0), "br0": traffic(2.0)}
        cluster.nodes["a"].detail["network"] = network
        await page.goto(f"{cluster.url}#/node/a")
        await expect(names(page, "network")).to_have_text(["br0", "eth9", "eth10"])

        network["eth9"]["recvBytes"] = 9.0
        await cluster.tick()

        row = page.locator("[data-section=network] tbody tr").nth(1)
        await expect(row).to_contain_text("9\u00a0B/s")
        await expect(names(page, "network")).to_have_text(["br0", "eth9", "eth10"])


async def test_rows_sorted_by_traffic_do_not_move_under_the_pointer(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        network = {"a": traffic(3.0), "b": traffic(2.0)}
        cluster.nodes["a"].detail["network"] = network
        await page.goto(f"{cluster.url}#/node/a")
        await head(page, "network", "Received").get_by_role("button").click()
        await expect(names(page, "network")).to_have_text(["a", "b"])

        network["b"]["recvBytes"] = 7.0
        await cluster.tick()
        await expect(page.locator("[data-section=network]")).to_contain_text("7\u00a0B/s")
        await expect(names(page, "network")).to_have_text(["a", "b"])

        async def moved() -> bool:
            await cluster.tick()
            return await names(page, "network").all_text_contents() == ["b", "a"]

        await page.mouse.move(0, 0)
        await eventually(moved)


async def test_the_fullest_filesystem_comes_first_after_those_that_do_not_answer(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())

        await page.goto(f"{cluster.url}#/node/a")

        shares = page.locator("[data-section=filesystems] tbody td.share")
        await expect(shares.nth(0)).to_have_text("0.0\u00a0%")
        await expect(shares.nth(1)).to_have_text("91.0\u00a0%")
        await expect(shares.nth(13)).to_have_text("7.0\u00a0%")


async def test_processes_sorted_by_memory_or_io_are_those_that_use_most_of_it(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        usual: dict[str, Any] = {"user": "", "cpu": 1.0, "rss": 1, "readBytes": 1, "writeBytes": 1}
        lists = {
            f"by{by}": [usual | {"pid": pid, "name": by}]
            for pid, by in enumerate(("Cpu", "Memory", "Io"))
        }
        cluster.nodes["a"].detail["processes"] = lists | {"count": 3}
        await page.goto(f"{cluster.url}#/node/a")
        await expect(names(page, "processes")).to_have_text(["Cpu"])

        for column, by in (("Memory", "Memory"), ("Written", "Io"), ("Process", "Cpu")):
            await head(page, "processes", column).get_by_role("button").click()
            await expect(names(page, "processes")).to_have_text([by])


async def test_columns_without_any_value_leave_their_room_to_others(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())

        await page.goto(f"{cluster.url}#/node/a")

        await expect(head(page, "containers", "Received")).to_be_visible()
        await expect(head(page, "containers", "Restarts")).to_be_hidden()


async def test_a_table_is_saved_as_it_is_shown_with_all_of_its_columns(
    page: Page, tmp_path: Path
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["custom"] = custom(a=1.5, ab=None, c=2.0, bad=3.0)
        await page.goto(f"{cluster.url}#/node/a?order=custom:-value&find=custom:a")
        await expect(names(page, "custom")).to_have_text(["bad", "a", "ab"])

        async with page.expect_download() as download:
            await page.get_by_role("button", name="CSV of Custom numbers").click()

        saved = await download.value
        assert re.fullmatch(r"a-custom-\d+-\d+\.csv", saved.suggested_filename)
        await saved.save_as(tmp_path / "saved.csv")
        text = (tmp_path / "saved.csv").read_bytes().decode()
        assert text == "name,value,file\r\nbad,3,f\r\na,1.5,f\r\nab,,f\r\n"


async def test_names_that_begin_alike_differ_where_they_are_cut(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())
        await page.set_viewport_size({"width": 390, "height": 844})

        await page.goto(f"{cluster.url}#/node/a")

        name = names(page, "containers").first
        await expect(name).to_have_text("shop-production-frontend-worker-0")
        cut = name.locator(".beginning")
        assert await cut.evaluate("(one) => one.scrollWidth > one.clientWidth")
        assert await name.evaluate("(one) => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("width", [390, 1024, 1280, 1440, 1920])
async def test_no_table_of_a_node_is_clipped(open_page: Callable[..., Page], width: int) -> None:
    page = await open_page(viewport={"width": width, "height": 900})
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= busy_node(time.time())
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.locator("[data-section] .table:visible")).to_have_count(10)

        clipped = await page.evaluate(
            """() => [...document.querySelectorAll(".table, th, td.number, td.share")]
                .filter((one) => one.getClientRects().length > 0)
                .filter((one) => one.scrollWidth > one.clientWidth)
                .map((one) => `${one.closest("section").dataset.section}: ${one.outerHTML}`)"""
        )

        assert clipped == []
