"""Alerts on the page: the bell, the panel, the nodes, and silences."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from browser.chromium import Locator, Page, card, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")


def bell(page: Page) -> Locator:
    return page.locator("#bell")


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Alerts")


def changes(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    """The requests that begin or end a silence, without their ids."""
    asked = [one for one in cluster.requests if "silence" in one or "end" in one]
    return [{name: value for name, value in one.items() if name != "id"} for one in asked]


async def open_panel(page: Page, cluster: SimulatedCluster) -> Locator:
    await page.goto(cluster.url)
    await bell(page).click()
    await expect(panel(page)).to_be_visible()
    return panel(page)


async def test_the_bell_shows_how_many_fire_and_how_severe_the_worst_is(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("b", "swap", "warning")
        await page.goto(cluster.url)
        await expect(bell(page)).to_contain_text("▲ 1")
        await expect(page).to_have_title("(1 alert) NodNod")

        cluster.alert("a", "memory", "critical")
        cluster.alert("a", "cpu", "critical", silenced=True)
        cluster.alert("a", "load", "critical", state="resolved")

        await expect(bell(page)).to_contain_text("◆ 2")
        await expect(bell(page)).to_have_accessible_name(
            "Alerts: 1 critical, 1 warning, 1 silenced"
        )
        await expect(page).to_have_title("(2 alerts) NodNod")


async def test_the_bell_has_no_number_while_nothing_fires(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)

        await expect(bell(page)).to_have_accessible_name("Alerts: none")
        await expect(bell(page).locator(".count")).to_be_empty()
        await expect(page).to_have_title("NodNod")


async def test_the_page_of_an_agent_that_knows_no_alerts_has_no_bell(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alerts = None

        await page.goto(cluster.url)

        await expect(card(page, "a").locator(".facts")).not_to_be_empty()
        await expect(bell(page)).to_be_hidden()
        await expect(page.locator(".notice")).to_be_hidden()


async def test_alerts_go_when_the_page_moves_to_an_agent_that_knows_none(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await open_panel(page, cluster)

        await cluster.stop()
        cluster.alerts = None
        await cluster.start()

        await expect(bell(page)).to_be_hidden()
        await expect(panel(page)).to_be_hidden()
        await expect(card(page, "a").locator(".alert-line")).to_be_hidden()


async def test_alerts_are_current_after_the_connection_broke(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await expect(bell(page)).to_contain_text("◆ 1")

        await cluster.stop()
        cluster.alert("a", "cpu")
        await cluster.start()

        await expect(bell(page)).to_contain_text("◆ 2")


async def test_the_panel_shows_value_threshold_and_who_was_told(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("b", "memory", told=["telegram://", "mailto://example.org"])
        cluster.alert("a", "swap", "warning", object="zram0")
        cluster.alert("a", "cpu", silenced=True, value=None, threshold=None)

        alerts = (await open_panel(page, cluster)).locator(".alert")

        await expect(alerts.locator("strong")).to_have_text(["memory", "swap zram0", "cpu"])
        await expect(alerts.nth(0)).to_contain_text("memory is 93 % used (above 90 %)")
        facts = re.compile(
            r"since .*\(5\u00a0min.*\) · value 93.2 · threshold 90.0 · "
            r"told telegram://, mailto://example.org$"
        )
        await expect(alerts.nth(0).locator(".note")).to_have_text(facts)
        await expect(alerts.nth(1).locator(".note")).to_contain_text("nobody was told")
        await expect(alerts.nth(2).locator(".note")).to_have_text(re.compile(r"\) · silenced$"))
        await expect(alerts.nth(2).get_by_role("button")).to_be_hidden()
        await alerts.nth(0).get_by_role("link", name="b").click()
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        await expect(panel(page)).to_be_hidden()


async def test_what_is_over_is_listed_below_what_fires(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        for rule in ("cpu", "memory"):
            cluster.alert("a", rule, state="resolved", text=f"{rule} is fine again")

        alerts = await open_panel(page, cluster)

        over = alerts.locator("section", has_text="Recently over").locator(".alert")
        await expect(over.first).to_contain_text("memory is fine again")
        await expect(over.first).to_contain_text("over since ")
        await expect(over).to_have_count(2)
        await expect(alerts.locator("header")).to_contain_text("None is firing.")


async def test_many_alerts_are_grouped_by_node_the_worst_first(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        for number in range(6):
            cluster.alert("a", f"rule-{number}", "warning")
            cluster.alert("b", f"rule-{number}", "critical" if number == 0 else "warning")
        alerts = await open_panel(page, cluster)
        groups = alerts.get_by_role("group")
        await expect(groups).to_have_count(2)
        await expect(groups.first).to_contain_text("◆ 1 critical, 5 warnings")

        await groups.first.locator("summary").click()

        await expect(groups.first.locator(".alert")).to_have_count(6)
        await expect(groups.first.locator(".alert strong").first).to_have_text("rule-0")


async def test_four_thousand_alerts_make_no_more_elements_than_can_be_read(page: Page) -> None:
    names = [f"node-{number}" for number in range(512)]
    async with SimulatedCluster(names) as cluster:
        for name in names:
            for number in range(8):
                cluster.alert(name, f"rule-{number}", "warning")

        alerts = await open_panel(page, cluster)

        await expect(bell(page)).to_contain_text("▲ 4096")
        await expect(alerts.get_by_role("group")).to_have_count(100)
        await expect(alerts).to_contain_text("and 412 more nodes")
        assert await alerts.locator("*").count() < 2000


async def test_a_card_shows_the_worst_alerts_of_its_node_and_comes_before_others(
    page: Page,
) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("b", "swap", "warning", text="swap is full")
        cluster.alert("b", "clock", "warning", text="the clock is wrong")
        cluster.alert("b", "memory", text="memory is full")
        cluster.alert("b", "cpu", text="busy", silenced=True)

        await page.goto(cluster.url)

        line = card(page, "b").locator(".alert-line")
        await expect(line.locator(".alert-item").first).to_have_text("◆critical: memory is full")
        await expect(line.locator(".alert-item").nth(1)).to_contain_text("▲warning: ")
        await expect(line).to_contain_text("and 1 more")
        await expect(card(page, "a").locator(".alert-line")).to_be_hidden()
        await expect(page.locator("[data-node]").first).to_have_attribute("data-node", "b")


async def test_the_view_of_a_node_shows_its_alerts(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("a", "memory")
        cluster.alert("b", "cpu")

        await page.goto(f"{cluster.url}#/node/a")

        alerts = page.locator(".node-view").get_by_role("region", name="Alerts")
        await expect(alerts.locator("strong")).to_have_text(["memory"])
        cluster.alerts = []
        await expect(alerts).to_be_hidden()


async def test_text_of_an_alert_is_no_markup(page: Page) -> None:
    async with SimulatedCluster(["<i>a</i>"]) as cluster:
        cluster.alert("<i>a</i>", "<b>", object="<u>x", text="<s>full", told=["<em>://"])

        alert = (await open_panel(page, cluster)).locator(".alert")

        await expect(alert.locator("strong")).to_have_text("<b> <u>x")
        await expect(alert.get_by_role("link")).to_have_text("<i>a</i>")
        await expect(alert.locator(".alert-text")).to_have_text("<s>full")
        await expect(alert.locator(".note")).to_contain_text("told <em>://")


async def test_an_alert_is_silenced_from_the_panel_and_the_silence_ended(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        alerts = await open_panel(page, cluster)
        await alerts.get_by_role("button", name="Silence memory of a").click()
        form = alerts.get_by_role("form", name="New silence")
        await expect(form.get_by_label("Node")).to_have_value("a")
        await expect(form.get_by_label("Rule")).to_have_value("memory")

        await form.get_by_label("For").select_option("8 hours")
        await form.get_by_label("Reason").fill("new module on its way")
        await page.keyboard.press("Enter")

        await expect(form).to_be_hidden()
        terms = {"node": "a", "rule": "memory", "seconds": 28800, "reason": "new module on its way"}
        assert changes(cluster) == [{"type": 6, "silence": terms}]
        silence = alerts.locator(".silences li")
        await expect(silence).to_contain_text("memory at a")
        await expect(silence).to_contain_text("left) · by stan · new module on its way")
        await silence.get_by_role("button").click()
        await expect(silence).to_have_count(0)
        assert changes(cluster)[1:] == [{"type": 6, "end": "00000000"}]


async def test_a_token_that_may_only_read_cannot_silence_and_the_form_says_so(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.operates = False
        cluster.alert("a", "memory")
        alerts = await open_panel(page, cluster)
        await alerts.get_by_role("button", name="New silence").click()
        form = alerts.get_by_role("form")
        await expect(form.get_by_label("Rule")).to_have_value("*")

        await form.get_by_role("button", name="Silence").click()

        fault = form.get_by_role("alert")
        await expect(fault).to_contain_text("Not allowed: a token with the role")
        await expect(fault).to_contain_text("nodnod token --role operate")
        await expect(form.get_by_role("button", name="Silence")).to_be_enabled()
        await expect(page.locator(".notice")).to_be_hidden()


async def test_a_silence_without_a_connection_is_not_lost_in_silence(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        alerts = await open_panel(page, cluster)
        await alerts.get_by_role("button", name="Silence memory of a").click()
        await cluster.stop()
        await expect(page.locator("body")).to_have_attribute("data-connection", "lost")

        await page.keyboard.press("Enter")

        await expect(alerts.get_by_role("form").get_by_role("alert")).to_contain_text(
            "Not done: there is no connection"
        )


async def test_escape_closes_what_was_opened_last_and_the_focus_returns(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await bell(page).focus()
        await page.keyboard.press("Enter")
        await expect(panel(page)).to_be_focused()
        await expect(bell(page)).to_have_attribute("aria-expanded", "true")
        for _ in ("Close", "a", "Silence"):
            await page.keyboard.press("Tab")
        button = panel(page).get_by_role("button", name="Silence memory of a")
        await expect(button).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(panel(page).get_by_label("Reason")).to_be_focused()

        await page.keyboard.press("Escape")
        await expect(button).to_be_focused()
        await page.keyboard.press("Escape")

        await expect(panel(page)).to_be_hidden()
        await expect(bell(page)).to_be_focused()
        await expect(bell(page)).to_have_attribute("aria-expanded", "false")


async def test_the_button_at_a_node_opens_the_form_and_gets_the_focus_back(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(f"{cluster.url}#/node/a")
        button = page.locator(".node-view").get_by_role("button", name="Silence memory of a")

        await button.click()

        await expect(panel(page).get_by_label("Rule")).to_have_value("memory")
        for _ in range(2):
            await page.keyboard.press("Escape")
        await expect(panel(page)).to_be_hidden()
        await expect(button).to_be_focused()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()


async def test_a_focused_button_stays_with_its_alert_when_others_come_and_go(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "cpu")
        cluster.alert("a", "memory")
        alerts = await open_panel(page, cluster)
        await alerts.get_by_role("button", name="Silence memory of a").focus()

        cluster.alerts = [one for one in cluster.alerts or [] if one["rule"] == "memory"]
        cluster.alert("a", "swap", "warning")

        await expect(alerts.locator(".alert strong")).to_have_text(["memory", "swap"])
        await expect(alerts.get_by_role("button", name="Silence memory of a")).to_be_focused()
        cluster.alerts = []
        await expect(alerts).to_be_focused()


async def test_only_new_critical_alerts_are_announced(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await expect(bell(page)).to_contain_text("◆ 1")
        news = page.locator("#alert-news")
        await expect(news).to_be_empty()

        cluster.alert("b", "swap", "warning")
        cluster.alert("b", "cpu", text="CPU is 99 % used")

        await expect(bell(page)).to_contain_text("◆ 3")
        await expect(news).to_have_text("Critical: b: CPU is 99 % used")


async def test_unchanged_alerts_cause_no_repaint(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        cluster.alert("a", "memory")
        await page.goto(cluster.url)
        await expect(bell(page)).to_contain_text("◆ 1")
        await page.evaluate(
            """() => {
                window.written = 0;
                const count = (changes) => { window.written += changes.length; };
                const what = { childList: true, subtree: true, attributes: true };
                new MutationObserver(count).observe(document.querySelector(".alert-line"), what);
                new MutationObserver(count).observe(document.getElementById("bell"), what);
            }"""
        )
        before = await card(page, "a").locator(".cpu .value").text_content()
        cluster.nodes["a"]._load = 0.1

        await cluster.tick()

        await expect(card(page, "a").locator(".cpu .value")).not_to_have_text(before or "")
        assert await page.evaluate("() => window.written") == 0


@pytest.mark.parametrize("width", [360, 768])
async def test_the_panel_fits_a_small_screen(open_page: Callable[..., Page], width: int) -> None:
    page = await open_page(viewport={"width": width, "height": 700}, has_touch=True)
    long = "a-very-long-word" * 8
    async with SimulatedCluster(["a", long]) as cluster:
        cluster.alert(long, long[:64], object=long, text=long * 2, told=[long] * 9)
        cluster.alert(long, "memory", state="resolved")
        cluster.silences = [
            {"id": "1", "node": long, "rule": long, "until": 4e9, "reason": long, "by": long}
        ]
        alerts = await open_panel(page, cluster)
        await expect(alerts.locator(".silences li")).to_have_count(1)
        await alerts.get_by_role("button", name="Silence").first.click()

        overflowing = await page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .filter((one) => !one.closest(".alert-item, .unseen, .skip, svg"))
                .map((one) => one.outerHTML.slice(0, 80))"""
        )

        assert overflowing == []
        assert await alerts.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")


async def test_the_address_says_that_the_panel_is_open(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.alert("a", "memory")
        await open_panel(page, cluster)
        await expect(page).to_have_url(re.compile(r"\?alerts=true$"))

        await page.reload()

        await expect(panel(page)).to_contain_text("memory is 93 % used")
        await page.keyboard.press("Escape")
        await expect(panel(page)).to_be_hidden()
        await expect(page).to_have_url(re.compile(r"#/$"))
