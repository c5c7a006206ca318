"""The page goes on with another agent: every day's cases, over real agents."""

import signal

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from browser.chromium import Page, card, expect
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
