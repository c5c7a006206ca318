"""The list of nodes in the overview: order, filter, groups, pins, and all of it in the address."""

import json
import re
from typing import Any

import pytest

from browser.chromium import Page, card, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def order(page: Page) -> list[Any]:
    return await page.locator("[data-node]").evaluate_all(
        "(all) => all.map((one) => one.dataset.node)"
    )


async def test_problems_come_first_then_names_in_natural_order(page: Page) -> None:
    async with SimulatedCluster(["n-10", "n-9", "n-2"]) as cluster:
        cluster.fail("n-9", "down: connection refused", state="down")

        await page.goto(cluster.url)

        await expect(card(page, "n-9")).to_be_visible()
        assert await order(page) == ["n-9", "n-2", "n-10"]


async def test_nodes_sort_by_a_number_in_both_directions(page: Page) -> None:
    async with SimulatedCluster([f"n{i}" for i in range(8)], by_hand=True) as cluster:
        by_disk = sorted(cluster.nodes, key=lambda name: -cluster.nodes[name]._disk)
        await page.goto(cluster.url)
        await expect(card(page, "n7")).to_be_visible()
        button = page.get_by_role("button", name="Disk")

        await button.click()

        await expect(button).to_have_attribute("data-direction", "forward")
        assert await order(page) == by_disk
        await button.click()
        await expect(button).to_have_attribute("data-direction", "reverse")
        assert await order(page) == by_disk[::-1]


async def test_nodes_in_trouble_are_on_top_however_they_are_sorted(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c", "d"], by_hand=True) as cluster:
        cluster.fail("c", "down: connection refused", state="down")
        cluster.fail("d", "stale: last heard 4 s ago", silent=False)
        await page.goto(cluster.url)
        await expect(card(page, "d")).to_be_visible()
        button = page.get_by_role("button", name="Name")

        await button.click()
        assert await order(page) == ["c", "d", "a", "b"]
        await button.click()
        await expect(button).to_have_attribute("data-direction", "reverse")
        assert await order(page) == ["c", "d", "b", "a"]


async def test_the_preferences_survive_a_reload(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)
        await page.get_by_role("button", name="Rows").click()
        await page.get_by_role("button", name="Memory").click()

        await page.reload()

        await expect(page.locator(".nodes")).to_have_attribute("data-density", "rows")
        await expect(page.get_by_role("button", name="Memory")).to_have_attribute(
            "data-direction", "forward"
        )


async def test_preferences_stored_by_an_earlier_version_are_read(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        old = {
            "nodnod.choices": json.dumps({"density": "rows", "span": "x"}),
            "nodnod.scheme": "dark",
        }
        await page.evaluate("(old) => Object.assign(localStorage, old)", old)

        await page.reload()

        await expect(page.locator(".nodes")).to_have_attribute("data-density", "rows")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_the_filter_keeps_nodes_whose_name_contains_the_text(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "web-1")).to_be_visible()

        await page.keyboard.press("/")
        await page.keyboard.type("DB-")

        await expect(card(page, "web-1")).not_to_be_attached()
        await expect(page.locator(".shown")).to_have_text("2 of 3 nodes")
        await page.keyboard.type("x")
        await expect(page.locator(".empty")).to_contain_text("DB-x")


async def test_escape_leaves_the_filter_as_it_is(page: Page) -> None:
    async with SimulatedCluster(["apple", "pear"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "pear")).to_be_visible()

        for key in ("/", "p", "e", "Escape"):
            await page.keyboard.press(key)

        field = page.locator("#filter")
        await expect(field).not_to_be_focused()
        await expect(field).to_have_value("pe")
        await expect(page).to_have_url(f"{cluster.url}#/?filter=pe")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tag:role=db", ["db-1", "db-2"]),
        ("tag:role=d?", ["db-1", "db-2"]),
        ("tag:role", ["db-1", "db-2", "web-1"]),
        ("tag:site=a.b", ["web-1"]),
        ("tag:site=a*z", []),
    ],
)
async def test_the_filter_may_be_about_tags(page: Page, text: str, shown: list[str]) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1", "c"]) as cluster:
        for name in ("db-1", "db-2", "web-1"):
            cluster.nodes[name].tags = {"role": name[:-2]}
        cluster.nodes["db-1"].tags = {"role": "db", "site": "a+b"}
        cluster.nodes["web-1"].tags = {"role": "web", "site": "a.b"}
        await page.goto(cluster.url)
        await expect(card(page, "db-1").locator("a.title")).to_have_attribute(
            "title", "db-1\nrole=db\nsite=a+b"
        )

        await page.keyboard.press("/")
        await page.keyboard.type(text)

        part = f"{len(shown)} of 4 nodes"
        await expect(page.locator(".shown")).to_have_text(part)
        assert sorted(await order(page)) == shown
        if not shown:
            await expect(page.locator(".empty")).to_contain_text(f"name or tag fits “{text}”.")


async def test_a_count_of_a_state_shows_only_the_nodes_in_it(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        cluster.fail("b", "down: connection refused", state="down")
        await page.goto(cluster.url)
        button = page.get_by_role("button", name="1 down")

        await button.click()

        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(card(page, "a")).not_to_be_attached()
        await button.click()
        await expect(card(page, "a")).to_be_visible()


async def test_the_view_is_in_the_address_and_a_link_shows_it_again(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1"]) as cluster:
        await page.goto(cluster.url)
        await card(page, "web-1").wait_for()
        await page.get_by_role("button", name="Rows").click()
        await page.get_by_role("button", name="Memory").click()
        await page.locator("#filter").fill("tag:role=d b")
        address = f"{cluster.url}#/?density=rows&sort=memory&filter=tag:role=d+b"

        await expect(page).to_have_url(address)
        other = await page.context.browser.new_page()
        await other.goto(address)
        await expect(other.locator(".nodes")).to_have_attribute("data-density", "rows")
        await expect(other.locator("#filter")).to_have_value("tag:role=d b")
        await expect(other.get_by_role("button", name="Memory")).to_have_attribute(
            "data-direction", "forward"
        )
        await other.context.close()


async def test_the_way_back_from_a_node_leads_to_the_same_view(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1"]) as cluster:
        await page.goto(f"{cluster.url}#/?filter=db-2&density=rows")
        await expect(card(page, "web-1")).not_to_be_attached()

        await card(page, "db-2").get_by_role("link").click()
        await page.get_by_role("link", name="All nodes").click()

        await expect(page.locator("#filter")).to_have_value("db-2")
        await expect(page).to_have_url(f"{cluster.url}#/?density=rows&filter=db-2")


async def test_an_address_with_strange_values_shows_what_it_can(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/?density=%FF&sort=__proto__&reverse=7&nope=1")
        await expect(card(page, "a")).to_be_visible()
        await expect(page.locator(".nodes")).to_have_attribute("data-density", "cards")
        await page.goto(f"{cluster.url}#/?state=lost&density=rows")
        await expect(page.locator(".nodes")).to_have_attribute("data-density", "rows")
        await expect(card(page, "a")).to_be_visible()
        await page.goto(f"{cluster.url}#/node/a?span=x")
        await expect(page.get_by_role("button", name="5 min", exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )


async def test_the_totals_follow_the_filter_and_say_so(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1"]) as cluster:
        total = sum(cluster.nodes[name].memory for name in ("db-1", "db-2")) / 2**30
        await page.goto(f"{cluster.url}#/?filter=db-*")

        await expect(page.locator(".tile", has_text="Nodes")).to_contain_text("of 3, as filtered")
        await expect(page.locator(".tile", has_text="Nodes")).to_contain_text("2 up")
        await expect(page.locator(".tile", has_text="Memory")).to_contain_text(f"of {total:.1f}")
        await expect(page.locator(".tile", has_text="CPU").locator(".line")).to_have_attribute(
            "d", re.compile("L50")
        )
        await expect(
            page.get_by_role("region", name="The nodes that fit the filter")
        ).to_be_visible()


async def test_pinned_nodes_are_on_top_and_in_the_address(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c", "d"], by_hand=True) as cluster:
        cluster.fail("d", "down: connection refused", state="down")
        await page.goto(cluster.url)
        await expect(card(page, "c")).to_be_visible()

        await card(page, "c").hover()
        await page.get_by_role("button", name="Pin c").click()

        await expect(page).to_have_url(f"{cluster.url}#/?pinned=c")
        assert await order(page) == ["c", "d", "a", "b"]
        await card(page, "b").get_by_role("link").focus()
        await page.keyboard.press("p")
        await expect(page).to_have_url(f"{cluster.url}#/?pinned=c&pinned=b")
        await page.goto(f"{cluster.url}#/?pinned=b")
        await expect(page.get_by_role("button", name="Pin b")).to_have_attribute(
            "aria-pressed", "true"
        )
        assert await order(page) == ["b", "d", "a", "c"]


async def test_groups_and_filters_by_tags_are_there_as_soon_as_the_tags(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"], by_hand=True) as cluster:
        cluster.nodes["a"].tags = cluster.nodes["b"].tags = {"role": "db"}

        await page.goto(f"{cluster.url}#/?group=role&filter=tag:role")

        await expect(page.locator(".group-title")).to_have_text(["role=db"])
        await expect(page.locator(".shown")).to_have_text("2 of 3 nodes")


async def test_nodes_are_grouped_by_the_value_of_a_tag(page: Page) -> None:
    async with SimulatedCluster(["db-1", "db-2", "web-1", "x"]) as cluster:
        for name in ("db-1", "db-2", "web-1"):
            cluster.nodes[name].tags = {"role": name[:-2]}
        cluster.fail("db-2", "down: connection refused", state="down")
        await page.goto(cluster.url)
        choice = page.get_by_role("combobox", name="Group by")

        await choice.select_option("role")

        titles = page.locator(".group-title")
        await expect(titles).to_have_text(["role=db", "role=web", "without role"])
        db = page.locator(".group", has_text="role=db")
        await expect(db.locator(".group-head")).to_contain_text("2 nodes1 down")
        await expect(db.locator(".sums")).to_contain_text("Memory")
        await expect(db.get_by_role("listitem")).to_have_count(2)
        await db.get_by_role("button", name="role=db").click()
        await expect(db.get_by_role("listitem")).to_have_count(0)
        await expect(page).to_have_url(f"{cluster.url}#/?group=role&closed=role=db")
        await page.reload()
        await expect(card(page, "web-1")).to_be_visible()
        await expect(card(page, "db-1")).not_to_be_attached()
