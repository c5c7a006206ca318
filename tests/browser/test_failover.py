"""The page goes on with another agent: every day's cases, over real agents."""

import re
import signal

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from bench.harness.proxy import Proxy
from browser.chromium import Page, card, expect, launched
from eventually import eventually
from nodnod_client.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = "is not allowed"


async def open_at(page: Page, host: str, agent: Agent, *names: str) -> None:
    """Open an agent's page under a host, and wait until it shows these nodes."""
    await page.goto(f"http://{host}:{agent.port}/")
    for name in names:
        await expect(card(page, name)).to_have_attribute("data-state", "up")
        await expect(card(page, name).locator(".facts")).not_to_be_empty()


async def test_when_an_agent_that_came_in_by_join_leaves_its_page_goes_on_with_another(
    page: Page, agents: Agents
) -> None:
    kenny = agents.start("kenny")
    cartman = agents.start("cartman", flags=["--join", kenny.address])
    await whole(kenny, "cartman", "kenny")
    await open_at(page, "127.0.0.1", cartman, "cartman", "kenny")

    await cartman.stopped()

    await expect(page.locator("#status-line")).to_contain_text("Live from kenny")
    assert REFUSED not in kenny.log()


async def test_an_agent_that_restarts_is_told_of_the_pages_of_one_that_has_left(
    page: Page, agents: Agents
) -> None:
    kyle, kenny_at = agents.start("kyle"), f"127.0.0.1:{free_ports(1)[0]}"
    kenny = agents.start("kenny", listen=kenny_at, flags=["--join", kyle.address])
    cartman = agents.start("cartman", flags=["--join", kyle.address])
    for agent in (kyle, kenny, cartman):
        await whole(agent, "cartman", "kenny", "kyle")
    await open_at(page, "localhost", cartman, "cartman", "kenny", "kyle")
    await cartman.stopped()
    kenny.kill()
    await kenny.restart()

    async def has_heard() -> bool:
        async with Client(kenny.address) as client:
            members = (await client.members()).members
        return {one.name: one.state for one in members}.get("cartman") == "left"

    await eventually(has_heard)
    await expect(page.locator("#status-line")).to_contain_text("Live from k")

    kyle.signal(signal.SIGKILL)

    await expect(card(page, "kyle")).to_have_attribute("data-state", "down")
    await expect(page.locator("#status-line")).to_contain_text("Live from kenny")
    assert REFUSED not in kenny.log() + kyle.log()


@pytest.mark.parametrize(
    ("host", "listen", "settings"),
    [
        ("localhost", "127.0.0.1", {}),
        ("127.0.0.1", "0.0.0.0", {}),
        ("stats.localhost", "127.0.0.1", {"allowedHosts": ["stats.localhost"]}),
    ],
)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_page_goes_on_whatever_the_name_under_which_it_was_opened(
    page: Page,
    agents: Agents,
    host: str,
    listen: str,
    settings: dict[str, object],
    how: signal.Signals,
) -> None:
    kenny = agents.start("kenny")
    cartman = agents.start(
        "cartman",
        listen=f"{listen}:{free_ports(1)[0]}",
        flags=["--join", kenny.address],
        settings=settings,
    )
    await whole(kenny, "cartman", "kenny")
    await open_at(page, host, cartman, "cartman", "kenny")

    cartman.signal(how)

    await expect(page.locator("#status-line")).to_contain_text("Live from kenny")
    assert REFUSED not in kenny.log()


async def test_after_a_move_the_page_offers_that_of_the_new_agent(
    page: Page, agents: Agents
) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    await open_at(page, "127.0.0.1", cartman, "cartman", "kenny")

    cartman.kill()

    link = page.locator(".notice").get_by_role("link", name="kenny")
    await expect(link).to_have_attribute("href", f"http://{kenny.address}/")


async def test_the_page_says_before_it_is_needed_that_no_other_agent_takes_it(
    page: Page, agents: Agents
) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    async with Proxy(cartman.address) as proxy:
        origin = f"http://localhost:{proxy.address.rpartition(':')[2]}"
        await page.goto(origin)

        line = page.locator(".failover")
        await expect(line).to_contain_text("No fail-over from this address: kenny")
        await expect(line).to_contain_text(f"refuses pages of {origin}")
    assert REFUSED in kenny.log()


async def test_where_another_agent_takes_the_page_nothing_is_said(
    page: Page, agents: Agents
) -> None:
    cartman, _ = await agents.cluster("cartman", "kenny")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await open_at(page, "localhost", cartman, "cartman", "kenny")

    await eventually(lambda: len(sockets) == 2)

    await expect(page.locator(".failover")).to_be_hidden()


async def test_back_from_another_page_there_is_no_word_of_a_loss(agents: Agents) -> None:
    cartman, _ = await agents.cluster("cartman", "kenny")
    async with launched(ignore_default_args=["--disable-back-forward-cache"]) as browser:
        page = await browser.new_page()
        await open_at(page, "127.0.0.1", cartman, "cartman", "kenny")
        await page.evaluate(
            "addEventListener('pageshow', (event) => { window.kept = event.persisted; })"
        )
        await page.goto(f"http://{cartman.address}/healthz")

        await page.go_back(wait_until="commit")  # there is no load: the page was kept

        await expect(page.locator("#status-line")).to_contain_text("Live from cartman")
        assert await page.evaluate("window.kept") is True
        await expect(page.locator(".notice")).to_be_hidden()
        await expect(page.locator("#status-line")).not_to_have_attribute(
            "title", re.compile("Lost")
        )
