"""Notifications of the browser: which alerts they tell of, and who has switched them on."""

from collections.abc import Callable
from typing import Any

import pytest

from browser.chromium import Locator, Page, card, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

STUB = """
window.shown = [];
window.Notification = class {
    static permission = "default";
    static async requestPermission() {
        return (Notification.permission = window.answer ?? "granted");
    }
    constructor(title, options) {
        Object.assign(this, options, { title });
        window.shown.push(this);
    }
    close() {}
};
"""
RECORDED = """
window.shown = [];
window.Notification = class extends Notification {
    constructor(title, options) {
        super(title, options);
        this.addEventListener("show", () => window.shown.push(this));
    }
};
"""
SHOWN = "() => window.shown.map(({ title, body, tag }) => [title, body, tag])"


def switch(page: Page) -> Locator:
    return page.get_by_role("switch", name="Notify me in this browser")


async def switched_on(page: Page, cluster: SimulatedCluster) -> Page:
    """A page with an open alert panel and notifications."""
    await page.goto(f"{cluster.url}#/?alerts=true")
    await expect(page.locator("#bell")).to_be_visible()
    await switch(page).check()
    await expect(switch(page)).to_be_checked()
    return page


async def shown(page: Page) -> list[list[Any]]:
    found: list[list[Any]] = await page.evaluate(SHOWN)
    return found


async def test_each_new_alert_and_its_end_are_told_once(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.alert("a", "old")
        await switched_on(page, cluster)
        cluster.alert("b", "memory", text="memory is full")
        cluster.alert("b", "cpu", silenced=True)
        await expect(page.locator("#bell")).to_contain_text("◆ 2")
        assert cluster.alerts is not None
        cluster.alerts[1]["state"] = "resolved"
        cluster.alerts[1]["text"] = "memory is fine"
        await expect(page.locator("#bell")).to_contain_text("◆ 1")

        tag = "b\nmemory\n"
        assert await shown(page) == [
            ["◆ b: memory", "memory is full", tag],
            ["✓ b: memory is over", "memory is fine", tag],
        ]


async def test_an_alert_that_becomes_critical_is_told_again(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a"]) as cluster:
        await switched_on(page, cluster)
        cluster.alert("a", "disk", "warning", text="half full")
        await expect(page.locator("#bell")).to_contain_text("▲ 1")

        cluster.alerts = []
        cluster.alert("a", "disk", "critical", text="full")

        await expect(page.locator("#bell")).to_contain_text("◆ 1")
        assert [title for title, *_ in await shown(page)] == ["▲ a: disk", "◆ a: disk"]


async def test_an_agent_that_lacks_an_alert_does_not_end_it(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a"]) as cluster:
        await switched_on(page, cluster)
        cluster.alert("a", "memory")
        await expect(page.locator("#bell")).to_contain_text("◆ 1")
        known, cluster.alerts = cluster.alerts, []
        await expect(page.locator("#bell .count")).to_be_empty()

        cluster.alerts = known

        await expect(page.locator("#bell")).to_contain_text("◆ 1")
        assert len(await shown(page)) == 1


async def test_of_many_at_once_one_notification_tells(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a", "b"]) as cluster:
        await switched_on(page, cluster)
        for number in range(9):
            cluster.alert("ab"[number % 2], f"rule-{number}")

        await expect(page.locator("#bell")).to_contain_text("◆ 9")

        assert await shown(page) == [["9 alerts fire", "a, b", "nodnod fire"]]


async def test_a_click_on_a_notification_opens_the_node(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a", "b"]) as cluster:
        await switched_on(page, cluster)
        cluster.alert("b", "memory")
        await expect(page.locator("#bell")).to_contain_text("◆ 1")

        await page.evaluate("() => window.shown[0].onclick()")

        await expect(page.get_by_role("heading", level=1)).to_have_text("b")


async def test_nobody_is_asked_or_notified_before_the_switch_is_on(page: Page) -> None:
    await page.add_init_script(STUB)
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/?alerts=true")
        await expect(switch(page)).to_be_visible()
        await expect(card(page, "a")).to_be_visible()
        cluster.alert("a", "memory")
        await expect(page.locator("#bell")).to_contain_text("◆ 1")

        assert await page.evaluate("() => Notification.permission") == "default"
        assert await shown(page) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (STUB + "window.answer = 'denied';", "blocks notifications of this page"),
        (STUB + "window.answer = 'default';", "has not been given the permission"),
        ("delete window.Notification;", "has no notifications"),
        (
            STUB + "Object.defineProperty(window, 'isSecureContext', { value: false });",
            "over https or on localhost only",
        ),
    ],
)
async def test_the_switch_says_why_there_are_no_notifications(
    page: Page, script: str, reason: str
) -> None:
    await page.add_init_script(script)
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/?alerts=true")
        if await switch(page).is_enabled():
            await switch(page).click()

        await expect(page.locator(".notify .note")).to_contain_text(reason)
        await expect(switch(page)).not_to_be_checked()


async def test_the_browser_shows_them_and_the_next_visit_has_them_still(
    open_page: Callable[..., Page],
) -> None:
    page = await open_page(permissions=["notifications"])
    await page.add_init_script(RECORDED)
    async with SimulatedCluster(["a"]) as cluster:
        await switched_on(page, cluster)
        await page.reload()
        await expect(switch(page)).to_be_checked()
        await expect(card(page, "a")).to_be_visible()
        await expect(page.locator(".alert-panel")).to_contain_text("None is firing.")

        cluster.alert("a", "memory", text="full")

        async def arrived() -> bool:
            return await shown(page) == [["◆ a: memory", "full", "a\nmemory\n"]]

        await eventually(arrived)
