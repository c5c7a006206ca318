"""The gate for a token, and the way out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually
from nodnod_agent.console.main import main

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoicmVhZCJ9.c2lnbmF0dXJl"
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


@pytest.mark.parametrize("script", ["", NO_CLIPBOARD], ids=["https", "http"])
async def test_the_command_for_a_token_can_be_copied(
    open_page: Callable[..., Page], script: str
) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await page.add_init_script(script)
    async with SimulatedCluster(["a"], token=TOKEN) as cluster:
        await page.goto(cluster.url)
        await expect(page.get_by_label("Token", exact=True)).to_be_focused()

        await page.locator(".token-form").get_by_role("button").first.click()

        await expect(page.get_by_role("button", name="Copied")).to_be_focused()
        field = page.get_by_label("Token", exact=True)
        await field.focus()
        await page.keyboard.press("Control+v")
        command = await page.locator(".token-form pre").text_content()
        await expect(field).to_have_value(str(command))


async def test_the_form_for_a_token_stays_when_the_address_changes(page: Page) -> None:
    async with SimulatedCluster(["a"], token=TOKEN) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        field = page.get_by_label("Token", exact=True)
        await expect(field).to_be_focused()

        await page.get_by_role("link", name="NodNod").click()
        await expect(page).to_have_title("NodNod")

        await field.fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-node]")).to_have_count(1)


async def test_the_command_of_the_gate_makes_a_token(
    page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 43)
    secret.chmod(0o600)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auth": {"secrets": [f"file:{secret}"]}}))
    async with SimulatedCluster(["a"], token=TOKEN) as cluster:
        await page.goto(cluster.url)
        shown = await page.locator(".token-form pre").text_content()

    words = str(shown).replace("/etc/nodnod/config.json", str(path)).split()

    assert words[0] == "nodnod"
    assert main(words[1:]) == 0
    assert capsys.readouterr().out.count(".") == 2


async def test_signing_out_forgets_the_token_and_closes_the_connection(page: Page) -> None:
    async with SimulatedCluster(["a"], token=TOKEN) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        await page.get_by_label("Token", exact=True).fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")

        await page.get_by_role("button", name="Sign out").click()

        await expect(page.get_by_label("Token", exact=True)).to_be_focused()
        await eventually(lambda: not cluster.streams)
        await expect(page.locator(".node-view, #sign-out:visible")).to_have_count(0)
        await expect(page.locator(".token-form .fault")).to_be_empty()
        assert await page.evaluate("() => sessionStorage.length") == 0
        await page.get_by_label("Token", exact=True).fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("a")


async def test_without_a_token_nobody_signs_out(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("#status-line")).to_contain_text("Live from a")

        await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
