"""The view that compares nodes, and the files that charts are saved as."""

import asyncio
import csv
import io
import re
from pathlib import Path

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = [f"db-production-eu-west-{number:02d}.example.internal" for number in range(1, 9)]


def compare(*names: str) -> str:
    return "#/compare?" + "&".join(f"node={name}" for name in names)


async def test_a_link_compares_nodes_on_one_chart_for_each_number(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(cluster.url + compare("a", "c"))

        charts = page.locator(".chart")
        await expect(charts).to_have_count(7)
        names = charts.first.locator(".key .name")
        await expect(names).to_have_text(["a", "c"])
        for look in ("c1", "c2"):
            line = charts.first.locator(f".plot .line.{look}")
            await expect(line).to_have_attribute("d", re.compile("^M0 .*L300 "))
        await expect(page).to_have_title(re.compile("Compare a, c"))
        slider = page.get_by_role("slider", name="CPU: moment to read")
        await expect(slider).to_have_attribute("aria-valuetext", re.compile(r": a \d.*, c \d"))


async def test_nodes_are_added_and_removed_and_keep_their_colors(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await page.get_by_role("link", name="Compare…").click()
        await expect(page.locator(".compare .note").first).to_have_text(
            "Add a node to compare it with."
        )

        for name in ("b", "c"):
            await page.get_by_label("Add a node").fill(name)
            await expect(page.locator(".compared a").last).to_have_text(name)
        await page.get_by_role("button", name="Remove b").click()

        await expect(page).to_have_url(re.compile(r"#/compare\?node=a&node=c$"))
        look = page.locator(".chart").first.locator(".key path").last
        await expect(look).to_have_class("c3")
        await eventually(
            lambda: (
                [one["nodes"] for one in cluster.streams.values() if one.get("history") == 5]
                == [["a", "c"]]
            )
        )


async def test_a_name_that_begins_another_one_is_added_by_enter(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-12", "a,b", "a"]) as cluster:
        await page.goto(cluster.url + compare("a%2Cb"))
        field = page.get_by_label("Add a node")

        await field.press_sequentially("db-12")
        await expect(page.locator(".compared a")).to_have_text(["a,b", "db-12"])
        await field.fill("a")
        await page.keyboard.press("Enter")

        await expect(page.locator(".compared a")).to_have_text(["a,b", "db-12", "a"])


async def test_eight_nodes_zoom_together_and_fit_a_phone(page: Page) -> None:
    async with SimulatedCluster(LONG, by_hand=True) as cluster:
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.goto(cluster.url + compare(*LONG))
        plot = page.get_by_role("slider", name="Memory: moment to read")
        await expect(plot).to_have_attribute("aria-valuetext", re.compile(r": \S+ \d"))

        await plot.focus()
        for key in ("Home", "Enter", "PageUp", "Enter"):
            await page.keyboard.press(key)

        await expect(page).to_have_url(re.compile(r"from=\d+&until=\d+&node="))
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) == 0


async def saved(page: Page, button: str, chart: str | None = None) -> tuple[str, bytes]:
    """The name and the content of the file that a button saves."""
    scope = page.locator(".chart", has_text=chart).first if chart else page.locator(".time-bar")
    async with page.expect_download() as info:
        await scope.get_by_role("button", name=button).click()
    download = await info.value
    file = Path(await download.path())
    return download.suggested_filename, await asyncio.to_thread(file.read_bytes)


async def test_a_chart_is_saved_as_a_table(page: Page) -> None:
    async with SimulatedCluster(["=a,1"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/=a,1?from=1796040000&until=1796040060")
        line = page.locator(".chart .line.first").first
        await expect(line).to_have_attribute("d", re.compile("^M0 .*L300 "))

        name, content = await saved(page, "CSV", "Network")

        assert re.fullmatch(r"_a_1-Network-\d{8}-\d{6}\.csv", name)
        assert content.count(b"\r\n") == 62
        rows = list(csv.reader(io.StringIO(content.decode())))
        assert rows[0] == ["time", "node", "Network, received (B/s)", "Network, sent (B/s)"]
        assert rows[1][:2] == ["2026-11-30T12:00:00Z", "'=a,1"]
        received = cluster.nodes["=a,1"].traffic_at(1796040000)
        assert float(rows[1][2]) == pytest.approx(received, rel=1e-5)


async def test_all_charts_of_compared_nodes_are_saved_as_one_table(page: Page) -> None:
    async with SimulatedCluster(["a", "b"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}{compare('a', 'b')}&from=1796040000&until=1796040010")
        second = page.locator(".chart .line.c2").first
        await expect(second).to_have_attribute("d", re.compile("^M0 .*L300 "))

        name, content = await saved(page, "CSV")

        rows = list(csv.reader(io.StringIO(content.decode())))
        assert name.startswith("compare-")
        assert rows[0][:4] == ["time", "node", "CPU (%)", "Memory (%)"]
        assert [row[1] for row in rows[1:5]] == ["a", "b", "a", "b"]
        assert all(len(row) == 9 and all(row) for row in rows)


async def test_a_chart_is_saved_as_a_picture_in_the_colors_of_the_page(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.emulate_media(color_scheme="dark")
        await page.goto(f"{cluster.url}#/node/a")
        line = page.locator(".chart .line.first").first
        await expect(line).to_have_attribute("d", re.compile("L300 "))

        name, content = await saved(page, "PNG", "CPU")

        assert re.fullmatch(r"a-CPU-\d{8}-\d{6}\.png", name)
        ground, colors, width = await page.evaluate(
            """async (bytes) => {
                const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
                const canvas = new OffscreenCanvas(image.width, image.height);
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const { data } = context.getImageData(0, 0, image.width, image.height);
                const colors = new Set();
                for (let i = 0; i < data.length; i += 4) {
                    colors.add(data.slice(i, i + 3).join());
                }
                return [data.slice(0, 3).join(), colors.size, image.width];
            }""",
            list(content),
        )
        assert ground == "22,27,34"  # --surface of the dark scheme
        assert colors > 50
        assert width == 1600
