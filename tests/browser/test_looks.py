"""Measurable properties of the design: themes, contrast, small screens."""

from collections.abc import Callable

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = [f"node-with-a-rather-long-name-{number:02d}.example.internal" for number in range(30)]

# A CSS color in any notation as [red, green, blue], each 0-255.
RGB = """
const rgb = (color) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
"""

# WCAG 2: the contrast of each kind of text with its background.
CONTRAST = (
    "() => {"
    + RGB
    + """
    const light = (color) => {
        const [r, g, b] = rgb(color).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const probe = document.createElement("i");
    document.body.append(probe);
    const value = (name) => {
        probe.style.color = `var(${name})`;
        return light(getComputedStyle(probe).color);
    };
    const found = {};
    for (const [text, ground] of [
        ["--text", "--ground"], ["--text", "--surface"], ["--muted", "--ground"],
        ["--muted", "--surface"], ["--muted", "--bad-soft"], ["--muted", "--high-soft"],
        ["--high-text", "--surface"], ["--bad-text", "--surface"],
        ["--high-text", "--high-soft"], ["--bad-text", "--bad-soft"],
        ["--high-text", "--ground"], ["--bad-text", "--ground"], ["--muted", "--raised"],
        ["--high-text", "--raised"], ["--bad-text", "--raised"],
    ]) {
        const [a, b] = [value(text), value(ground)].sort((x, y) => y - x);
        found[`${text} on ${ground}`] = (a + 0.05) / (b + 0.05);
    }
    for (const [mark, ground] of [
        ["--data", "--track"], ["--high", "--track"], ["--bad", "--track"],
        ["--data", "--surface"], ["--second", "--surface"], ["--fine", "--surface"],
    ]) {
        const [a, b] = [value(mark), value(ground)].sort((x, y) => y - x);
        found[`${mark} on ${ground}`] = ((a + 0.05) / (b + 0.05)) * 1.5; // marks need 3, not 4.5
    }
    probe.remove();
    return found;
}"""
)


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_the_contrast_is_sufficient_in_both_themes(
    open_page: Callable[..., Page], scheme: str
) -> None:
    page = await open_page(color_scheme=scheme)
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)

        contrasts = await page.evaluate(CONTRAST)

        assert {pair: ratio for pair, ratio in contrasts.items() if ratio < 4.5} == {}


async def test_the_theme_follows_the_system_until_one_is_chosen(
    open_page: Callable[..., Page],
) -> None:
    page = await open_page(color_scheme="dark")
    ground = "() => {" + RGB + "return rgb(getComputedStyle(document.body).backgroundColor)[0]; }"
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        assert await page.evaluate(ground) < 50
        await page.emulate_media(color_scheme="light")
        assert await page.evaluate(ground) > 200

        for _ in range(2):  # light, then dark
            await page.locator("#theme").click()

        assert await page.evaluate(ground) < 50
        await page.reload()
        assert await page.evaluate(ground) < 50


@pytest.mark.parametrize("width", [360, 768, 1024])
@pytest.mark.parametrize("view", ["Cards", "Rows", "node"])
async def test_nothing_overflows_a_small_screen(
    open_page: Callable[..., Page], width: int, view: str
) -> None:
    page = await open_page(viewport={"width": width, "height": 800}, has_touch=True)
    async with SimulatedCluster(NAMES) as cluster:
        cluster.fail(NAMES[3], "down: " + "a-very-long-word" * 12, state="down")
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(len(NAMES))
        if view == "node":
            await page.goto(f"{cluster.url}#/node/{NAMES[3]}")
            await page.goto(f"{cluster.url}#/node/{NAMES[4]}")
            await expect(page.locator("[data-section=processes]")).to_be_visible()
        else:
            await page.get_by_role("button", name=view).click()

        overflowing = await page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .filter((one) => !one.closest(".table, .unseen, .skip, svg"))
                .map((one) => one.outerHTML.slice(0, 80))"""
        )

        assert overflowing == []
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_states_differ_by_shape_and_word_and_not_only_by_color(page: Page) -> None:
    async with SimulatedCluster(["up", "stale", "error", "down"]) as cluster:
        cluster.fail("stale", "stale: last heard 4 s ago", silent=False)
        cluster.fail("error", "cpu: broken", silent=False)
        cluster.fail("down", "down: connection refused", state="down")
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(4)

        for name in ("up", "stale", "error", "down"):
            node = page.locator(f"[data-node={name}]")
            await expect(node.locator(".name-row > .icon use")).to_have_attribute(
                "href", f"#i-{name}"
            )
        for name in ("stale", "error", "down"):
            badge = page.locator(f"[data-node={name}] .badge")
            await expect(badge).to_have_text(name.capitalize())
            await expect(badge).to_be_visible()


async def test_a_high_share_is_marked_by_more_than_color(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        cluster.nodes["a"]._disk = 0.93
        await page.goto(cluster.url)

        disk = page.locator("[data-node=a] .disk")

        await expect(disk).to_have_attribute("data-level", "critical")
        await expect(disk).to_contain_text("93.0\u00a0% (critical)")


async def test_every_module_is_preloaded(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(1)

        fetched, preloaded = await page.evaluate(
            """() => [
                performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname)
                    .filter((path) => path.endsWith(".js") && path !== "/theme.js"),
                [...document.querySelectorAll("link[rel=modulepreload], script[type=module]")]
                    .map((one) => new URL(one.href ?? one.src).pathname),
            ]"""
        )

        assert sorted(set(fetched)) == sorted(preloaded)
