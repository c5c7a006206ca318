"""The overview of a simulated cluster: states, sorting, filtering, keys, and repaints."""

import json
import re
from typing import Any

import pytest

from browser.chromium import Page, card, expect
from browser.machine import SimulatedNode
from browser.simulated import SimulatedCluster
from eventually import eventually
from nodnod_agent.core.limits import Limits
from nodnod_client.messages import MAX_NAME_LENGTH

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def order(page: Page) -> list[Any]:
    return await page.locator("[data-node]").evaluate_all(
        "(all) => all.map((one) => one.dataset.node)"
    )


async def test_a_stale_node_keeps_its_numbers_in_gray_and_shows_since_when(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", "stale: last heard 7.2 s ago", silent=False)

        await page.goto(cluster.url)

        await expect(card(page, "b")).to_have_attribute("data-state", "stale")
        await expect(card(page, "b").locator(".reason")).to_contain_text(
            "last heard 7.2 s ago · since"
        )
        await expect(card(page, "b").locator(".memory .value")).to_contain_text("%")
        await expect(card(page, "b").locator(".meter").first).to_have_css("opacity", "0.55")


async def test_a_node_that_does_not_answer_keeps_its_last_numbers(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)
        memory = card(page, "b").locator(".memory .extent")
        await expect(memory).not_to_be_empty()

        cluster.fail("b", "no answer within 1 s")

        await expect(card(page, "b")).to_have_attribute("data-state", "stale")
        await expect(card(page, "b").locator(".reason")).to_contain_text("numbers of ")
        await expect(memory).not_to_be_empty()


@pytest.mark.parametrize(
    ("error", "options", "state", "reason"),
    [
        ("disk: /mnt/nfs does not answer", {"silent": False}, "error", "^disk: /mnt/nfs .*answer$"),
        # The time of a state that began before the page was opened is in the members answer.
        (
            "down: refused",
            {"state": "down"},
            "down",
            "^refused · since .*\\(3\u00a0h 2\u00a0min\\)$",
        ),
    ],
)
async def test_a_card_shows_the_state_of_a_node_and_its_reason(
    page: Page, error: str, options: dict[str, Any], state: str, reason: str
) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", error, **options)
        cluster.nodes["b"].since -= 3 * 3600 + 120

        await page.goto(cluster.url)

        await expect(card(page, "b")).to_have_attribute("data-state", state)
        await expect(card(page, "b").locator(".reason")).to_have_text(re.compile(reason))


async def test_a_node_that_left_on_purpose_is_not_counted_as_down(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.left = ["gone"]

        await page.goto(cluster.url)

        await expect(page.locator(".departed")).to_contain_text("Left on purpose: gone at")
        await expect(page.locator(".states")).to_contain_text("0 down")


async def test_the_status_line_names_the_agent_and_the_age_of_its_numbers(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)

        await expect(page.locator("#status-line")).to_have_text(
            re.compile(r"^Live from a.* s old$")
        )


async def test_the_totals_count_only_current_numbers(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        cluster.fail("c", "down: connection refused", state="down")
        total = sum(cluster.nodes[name].memory for name in "ab") / 2**30

        await page.goto(cluster.url)

        await expect(page.locator(".tile", has_text="Memory")).to_contain_text(f"of {total:.1f}")
        await expect(page.locator(".tile", has_text="Nodes")).to_contain_text("numbers from 2")


async def test_the_lines_show_the_last_five_minutes_at_once(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)

        line = card(page, "b").locator(".spark .line")
        await expect(line).to_have_attribute("d", points(90))


def points(least: int) -> re.Pattern[str]:
    """A path of at least ``least`` connected points."""
    return re.compile(rf"^M\d [\d.]+(L\d+ [\d.]+){{{least},}}")


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


async def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "c")).to_be_visible()
        focused = "() => document.activeElement.textContent.trim() || document.activeElement.id"
        reached = []
        for _ in range(20):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate(focused))

        for name in ("Skip to the nodes", "NodNod", "3 up", "filter", "Rows", "CPU", "a", "b"):
            assert name in reached
        await card(page, "a").get_by_role("link").focus()
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate(focused) == "b"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("b")
        await page.keyboard.press("Escape")
        await expect(card(page, "b").get_by_role("link")).to_be_focused()


async def test_names_that_are_special_in_scripts_or_markup_work_like_any_other(page: Page) -> None:
    names = ["__proto__", "constructor", "</li><script>x</script>", "a/b#c?d%e", "😀 node"]
    async with SimulatedCluster(names) as cluster:
        await page.goto(cluster.url)

        for name in names:
            link = page.get_by_role("link", name=name, exact=True)
            await expect(link).to_be_visible()
            await link.click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(name)
            await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")
            await page.get_by_role("link", name="All nodes").click()


async def test_a_tick_reuses_the_elements_and_repaints_once(page: Page) -> None:
    names = [f"node-{number}" for number in range(60)]
    async with SimulatedCluster(names, by_hand=True) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(60)
        # The history has come by then; it causes a repaint of its own.
        await expect(card(page, "node-0").locator(".spark .line")).to_have_attribute(
            "d", points(90)
        )
        await page.evaluate(
            """() => {
                window.kept = [...document.querySelectorAll("[data-node]")];
                window.frames = 0;
                const real = window.requestAnimationFrame;
                window.requestAnimationFrame = (paint) => { window.frames += 1; return real(paint); };
            }"""
        )
        before = await card(page, "node-0").locator(".cpu .value").text_content()
        cluster.nodes["node-0"]._load = 0.5

        await cluster.tick()

        await expect(card(page, "node-0").locator(".cpu .value")).not_to_have_text(before or "")
        kept = "() => window.kept.every((one) => one.isConnected)"
        assert await page.evaluate(kept)
        assert await page.evaluate("() => window.frames") == 1


async def test_nodes_appear_and_disappear_on_the_page(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "b")).to_be_visible()

        gone = cluster.nodes.pop("b")

        await expect(card(page, "b")).not_to_be_attached()
        cluster.nodes["b"] = gone
        await expect(card(page, "b")).to_be_visible()


async def test_the_page_asks_for_no_more_names_at_once_than_an_agent_accepts(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "a").locator(".facts")).not_to_be_empty()
        names = [f"{number}-".ljust(MAX_NAME_LENGTH, "ö") for number in range(150)]

        cluster.nodes |= {name: SimulatedNode(name, 0) for name in names}

        await eventually(lambda: asked(cluster))
        (request,) = asked(cluster)
        size = len(json.dumps(request, ensure_ascii=False).encode())
        assert Limits().client_message * 0.7 < size <= Limits().client_message


def asked(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    """The requests for the history of some nodes."""
    return [one for one in cluster.requests if "history" in one and "nodes" in one]


HAPPENED = [
    {"id": f"i-{number}", "at": 1000.0 + number, "node": node, "kind": kind, "text": text}
    for number, (node, kind, text) in enumerate(
        [
            ("a", "joined", "at 10.0.0.1:7070"),
            ("<b>b</b>", "down", "<img src=x onerror=alert(1)>"),
            ("a", "reloaded", ""),
        ]
    )
]


async def test_events_are_listed_newest_first_as_text_and_new_ones_come_by_themselves(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        cluster.events = HAPPENED[:2]
        await page.goto(cluster.url)
        await eventually(lambda: len(cluster.streams) == 4)
        await cluster.tick()
        rows = page.locator(".event-list li")
        summary = page.locator(".events summary")
        await expect(summary).to_contain_text("Events · last: <b>b</b> down, ")
        await summary.click()
        await expect(rows).to_have_count(2)
        await expect(rows.nth(0)).to_contain_text("<img src=x onerror=alert(1)>")

        cluster.events = HAPPENED[2:]
        await cluster.tick()

        await expect(rows).to_have_count(3)
        await expect(rows.nth(0)).to_contain_text("reloaded")
        await expect(rows.nth(2)).to_contain_text("joined")


async def test_without_events_there_is_no_list_of_them(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "a").locator(".facts")).not_to_be_empty()
        await expect(page.locator(".events")).to_be_hidden()


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
        await page.goto(f"{cluster.url}#/?state=lost")
        await expect(page.locator(".empty")).to_have_text("No such node just now.")
        await page.goto(f"{cluster.url}#/node/a?span=x")
        await expect(page.get_by_role("button", name="5 min", exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )
