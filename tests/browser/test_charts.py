"""The charts of a node: their ranges, gaps, zoom, legend and marks."""

import re
import time
from typing import Any

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

CPU = "CPU: moment to read"


def has_number() -> re.Pattern[str]:
    return re.compile(r": \w+ \d")


async def edges(page: Page) -> tuple[int, int]:
    """The first and the last second of the charts."""
    slider = page.get_by_role("slider", name=CPU)
    first, last = [await slider.get_attribute(f"aria-value{edge}") for edge in ("min", "max")]
    assert first is not None
    assert last is not None
    return int(first), int(last)


async def parts_of(page: Page, selector: str) -> int:
    """How many parts the line of a chart or sparkline has: one more than gaps."""
    path = await page.locator(selector).first.get_attribute("d")
    return (path or "").count("M")


async def has_points(page: Page, least: int) -> None:
    """Wait until the line of the CPU has so many points."""
    line = page.locator(".chart .line.first").first

    async def has() -> bool:
        return (await line.get_attribute("d") or "").count("L") >= least

    await eventually(has)


def histories(cluster: SimulatedCluster, node: str) -> list[dict[str, Any]]:
    """The requests for the history of one node that were no streams."""
    return [
        request
        for request in cluster.requests
        if request.get("history") and request.get("nodes") == [node] and "every" not in request
    ]


async def test_a_tab_that_was_suspended_fetches_what_it_has_missed(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.clock.install(time=time.time() - 75)
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(1)
        await page.goto(f"{cluster.url}#/node/a")
        await expect(page.get_by_role("slider", name=CPU)).to_have_attribute(
            "aria-valuetext", has_number()
        )
        before = len(histories(cluster, "a"))

        await page.clock.fast_forward(75_000)

        await eventually(lambda: len(histories(cluster, "a")) > before)
        assert histories(cluster, "a")[-1]["history"] >= 85

        async def whole() -> bool:
            return await parts_of(page, ".chart .line.first") == 1

        await eventually(whole)
        await page.goto(f"{cluster.url}#/")

        async def whole_as_a_card() -> bool:
            return await parts_of(page, "[data-node] .spark .line") == 1

        await eventually(whole_as_a_card)


async def test_a_node_that_nobody_has_kept_shows_the_past_that_its_card_has(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)
        line = page.locator("[data-node=b] .spark .line").first
        await expect(line).to_have_attribute("d", re.compile("L5[0-9] "))
        cluster.fail("b", "down: connection refused", state="down")
        await expect(page.locator("[data-node=b]")).to_have_attribute("data-state", "down")

        await page.get_by_role("link", name="b", exact=True).click()

        await has_points(page, 200)


async def test_a_week_is_asked_for_once_and_shows_the_peaks(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await page.get_by_role("button", name="7 days").click()

        band = page.locator(".chart .band.first").first
        await expect(band).to_have_attribute("d", re.compile("L"))
        first, last = await edges(page)
        assert last - first == 604_800
        drawn = await band.get_attribute("d")
        for _ in range(3):
            await cluster.tick()
        value = page.locator(".chart-legend .value").first
        await expect(value).to_have_text("now")
        assert await band.get_attribute("d") == drawn
        weeks = [one for one in histories(cluster, "a") if one["history"] == 604_800]
        assert len(weeks) == 1
        assert page.url.endswith("#/node/a?span=604800")


async def test_a_drag_zooms_all_charts_and_a_double_click_ends_it(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        plot = page.get_by_role("slider", name=CPU)
        await expect(plot).to_have_attribute("aria-valuetext", has_number())
        box = await plot.bounding_box()
        assert box is not None
        before = await edges(page)

        await page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 30)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=3)
        await expect(page.locator(".selected:visible")).to_have_count(5)
        await page.mouse.up()

        await expect(page).to_have_url(re.compile(r"from=\d+&until=\d+"))
        from_, until = edges_of(page.url)
        assert until - from_ == pytest.approx(75, abs=3)
        assert from_ - before[0] == pytest.approx(75, abs=6)
        assert await edges(page) == (from_, until)
        await eventually(lambda: any("until" in one for one in histories(cluster, "a")))
        await expect(page.locator(".zoom-text")).to_contain_text("1\u00a0min")

        await page.mouse.dblclick(box["x"] + 30, box["y"] + 30)

        await expect(page).to_have_url(re.compile("#/node/a$"))
        await expect(page.get_by_role("button", name="Live")).to_be_hidden()


async def test_a_selection_is_made_and_left_by_keyboard(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        plot = page.get_by_role("slider", name=CPU)
        await expect(plot).to_have_attribute("aria-valuetext", has_number())
        _, last = await edges(page)

        await plot.focus()
        for key in ("ArrowLeft", "Enter", *["Shift+ArrowLeft"] * 3):
            await page.keyboard.press(key)
        await expect(plot).to_have_attribute("aria-valuetext", re.compile("30\u00a0s selected$"))
        await page.keyboard.press("Enter")

        assert edges_of(page.url) == (last - 31, last - 1)
        await page.keyboard.press("0")
        await expect(page).to_have_url(re.compile("#/node/a$"))


async def test_a_link_to_a_zoomed_range_shows_it_at_full_resolution(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        from_ = int(time.time()) - 86_400
        await page.goto(f"{cluster.url}#/node/a?from={from_}&until={from_ + 120}")

        line = page.locator(".chart .line.first").first
        await expect(line).to_have_attribute("d", re.compile("^M0 .*L300 "))
        assert await edges(page) == (from_, from_ + 120)
        assert (await line.get_attribute("d") or "").count("L") >= 120
        assert await parts_of(page, ".chart .line.first") == 1


async def test_an_agent_without_the_past_s_end_has_all_since_then_cut(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        cluster.nodes["a"].forgotten = ("until",)
        from_ = int(time.time()) - 86_400
        await page.goto(f"{cluster.url}#/node/a?from={from_}&until={from_ + 7200}")

        await has_points(page, 40)
        assert await edges(page) == (from_, from_ + 7200)
        assert histories(cluster, "a")[-1]["history"] == pytest.approx(86_400, abs=20)


async def test_the_legend_has_the_least_the_mean_and_the_most_of_what_is_shown(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        from_ = int(time.time()) - 3000
        node = cluster.nodes["a"]
        shares = [node.cpu_at(from_ + second) for second in range(61)]

        await page.goto(f"{cluster.url}#/node/a?from={from_}&until={from_ + 60}")

        cells = page.locator(".chart").first.locator(".key").first.locator("td:not(.value)")
        expected = [min(shares), sum(shares) / 61, max(shares)]

        async def agree() -> bool:
            texts = await cells.all_text_contents()
            found = [float(text.split("\u00a0")[0]) for text in texts if "%" in text]
            return found == pytest.approx(expected, abs=0.06)

        await eventually(agree)


async def test_the_cpu_is_stacked_where_its_shares_are_known(page: Page) -> None:
    async with SimulatedCluster(["a", "old"], by_hand=True) as cluster:
        lacking = ("cpuUser", "cpuSystem", "cpuSteal", "cpuIowait")
        cluster.nodes["old"].forgotten = lacking
        cluster.nodes["old"].detail["cpu"] = {"error": "not readable"}

        await page.goto(f"{cluster.url}#/node/a")

        keys = page.locator(".chart").first.locator(".key:visible .name")
        await expect(keys).to_have_text(["used", "user", "system", "steal", "iowait"])
        await expect(page.locator(".part.user")).to_have_attribute("d", re.compile("^M.*Z$"))
        await page.goto(f"{cluster.url}#/node/old")
        await expect(keys).to_have_text(["used"])


async def test_what_has_happened_is_marked_told_at_the_crosshair_and_listed(page: Page) -> None:
    async with SimulatedCluster(["a", "b"], by_hand=True) as cluster:
        cluster.alerts = []
        cluster.alert("a", "load", "warning", text="load is <b>", since=time.time() - 60)
        for number, (ago, node, kind, text) in enumerate(
            (
                (200, "a", "down", "connection refused; seen by b"),
                (170, "a", "up", "seen by b"),
                (120, "a", "alert-fired", "filesystem /var, critical: /var is full"),
                (100, "a", "alert-cleared", "filesystem /var: /var is empty"),
                (90, "b", "restarted", "it is another node"),
            )
        ):
            event = {"id": f"b-{number}", "at": time.time() - ago, "node": node, "kind": kind}
            cluster.events.append(event | {"text": text})
        await page.goto(f"{cluster.url}#/node/a")

        await expect(page.locator(".mark.critical").first).to_have_attribute("d", re.compile("Z$"))
        await page.locator(".marks summary").click()
        rows = page.locator(".marks li .text")
        said = [
            "load is <b>",
            "/var is full",
            "up: seen by b",
            "down: connection refused; seen by b",
        ]
        await expect(rows).to_have_text(said)
        lengths = page.locator(".marks li .kind")
        await expect(lengths).to_have_text(["still", "20\u00a0s", "", "30\u00a0s"])

        await page.locator(".marks li button").nth(1).focus()

        hairline = page.locator(".hairline-time").first
        await expect(hairline).to_contain_text("/var is full")
        slider = page.get_by_role("slider", name=CPU)
        await expect(slider).to_have_attribute("aria-valuetext", re.compile("; /var is full$"))

        cluster.alert("b", "disk")
        await cluster.tick()

        await expect(page.locator("#bell .count")).to_have_text("◆ 2")
        await expect(page.locator(".marks li button").nth(1)).to_be_focused()


def edges_of(url: str) -> tuple[int, int]:
    """The zoomed range in an address."""
    found = re.search(r"from=(\d+)&until=(\d+)", url)
    assert found is not None
    return int(found[1]), int(found[2])


class AgentThatRemembersAnHour(SimulatedCluster):
    """An agent of before there was a week of history."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("history", 0) > 3600:
            refusal = {"error": "`history` must be at most 3600", "code": "bad_request"}
            return {"host": self.name, "nodes": {}, **refusal}
        return super().answer(request)


async def test_a_range_that_the_agent_refuses_says_so_and_shows_what_is_there(page: Page) -> None:
    async with AgentThatRemembersAnHour(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a?span=86400")

        note = page.locator(".kept")
        refused = "This range cannot be shown: `history` must be at most 3600."
        await expect(note).to_have_text(refused)
        await has_points(page, 10)
        await expect(page.locator(".notice")).to_be_hidden()
        await page.get_by_role("button", name="1 hour").click()
        await expect(note).to_be_hidden()


@pytest.mark.parametrize(
    "times",
    [
        "from=1&until=1000000000000000",
        "from=1000000000000000&until=1000000000000300",
        "from=x&until=9",
    ],
)
async def test_times_without_sense_in_the_address_show_the_newest_numbers(
    page: Page, times: str
) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a?{times}")

        await has_points(page, 10)
        first, last = await edges(page)
        assert last - first == 300
        newest = page.get_by_role("button", name="5 min", exact=True)
        await expect(newest).to_have_attribute("aria-pressed", "true")


async def test_nothing_is_longer_than_the_longest_range(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a?span=604800")
        await has_points(page, 10)

        await page.get_by_role("button", name="Zoom out").click()

        await expect(page).to_have_url(re.compile(r"#/node/a\?span=604800$"))
        await expect(page.get_by_role("button", name="Live")).to_be_hidden()
