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


async def test_a_stale_node_keeps_its_numbers_in_gray_and_shows_since_when(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", "stale: last heard 7.2 s ago", silent=False)

        await page.goto(cluster.url)

        await expect(card(page, "b")).to_have_attribute("data-state", "stale")
        await expect(card(page, "b").locator(".reason")).to_contain_text(
            "last heard 7.2 s ago · since"
        )
        await expect(card(page, "b").locator(".memory .value")).to_contain_text("%")
        await expect(card(page, "b").locator(".numbers")).to_have_css("opacity", "0.55")


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

        line = card(page, "b").locator(".cpu .line")
        await expect(line).to_have_attribute("d", points(50))


def points(least: int) -> re.Pattern[str]:
    """A path of at least ``least`` connected points."""
    return re.compile(rf"^M\d [\d.]+(L\d+ [\d.]+){{{least},}}")


async def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(cluster.url)
        await expect(card(page, "c")).to_be_visible()
        focused = "() => document.activeElement.textContent.trim() || document.activeElement.id"
        reached = []
        for _ in range(30):
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
    # After some seconds without a tick the page would ask for the history again, and paint it.
    await page.add_init_script("const now = Date.now(); Date.now = () => now;")
    async with SimulatedCluster(names, by_hand=True) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(60)
        # The history has come by then; it causes a repaint of its own.
        await expect(card(page, "node-0").locator(".cpu .line")).to_have_attribute("d", points(50))
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


async def test_a_node_that_sends_something_else_takes_nothing_from_the_others(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        strange = {"system": {"cores": None}, "sensors": {"temperatures": [None, {"value": "hot"}]}}
        cluster.nodes["a"].detail |= strange
        await page.goto(f"{cluster.url}#/?columns=temperature&columns=cpu")

        await expect(card(page, "b").locator(".temperature .value")).to_have_text("61\u00a0°C")
        await expect(card(page, "b").locator(".facts")).to_have_text("Debian 12")
        await expect(card(page, "a").locator(".temperature .value")).to_have_text("\N{EN DASH}")
        await expect(card(page, "a").locator(".cpu .value")).to_contain_text("%")
