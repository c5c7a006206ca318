"""The page over real agents: it shows their numbers, and survives the loss of its agent."""

import re
import signal
import time
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from browser.chromium import Page, card, expect
from eventually import eventually
from nodnod_agent.auth.tokens import Tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOUTH_PARK = ("cartman", "kenny", "kyle")


def url(agent: Agent, path: str = "") -> str:
    return f"http://{agent.address}/{path}"


async def open_three(page: Page, agents: Agents) -> list[Agent]:
    """Start three agents and open the page of the first."""
    cluster = await agents.cluster(*SOUTH_PARK)
    await page.goto(url(cluster[0]))
    for name in SOUTH_PARK:
        await expect(card(page, name)).to_have_attribute("data-state", "up")
        # The system section comes after the members, so those are known by then.
        await expect(card(page, name).locator(".facts")).not_to_be_empty()
    return cluster


async def test_the_page_shows_all_nodes_with_the_numbers_of_the_stats(
    page: Page, agents: Agents
) -> None:
    await open_three(page, agents)
    shown: dict[str, list[str]] = {}
    expected: dict[str, list[str]] = {}

    async def agree() -> bool:
        nonlocal shown, expected
        # In one call, so that no sample comes between reading the page and the stats.
        shown, stats = await page.evaluate(
            """async () => {
                const answer = await (await fetch("stat/all")).json();
                const seen = {};
                for (const card of document.querySelectorAll("[data-node]")) {
                    const values = card.querySelectorAll(".cell[data-bar] .value");
                    seen[card.dataset.node] = [...values].map((value) => value.textContent);
                }
                return [seen, answer.nodes];
            }"""
        )
        expected = {
            name: [
                f"{node[field]:.1f}\u00a0%"
                for field in ("cpuUsed", "memoryUsedPercent", "diskUsedPercent")
            ]
            for name, node in stats.items()
        }
        return shown == expected

    await eventually(agree, within=30, why=lambda: (shown, expected))

    assert list(shown) == list(SOUTH_PARK)


async def test_columns_and_groups_have_the_numbers_of_agents(page: Page, agents: Agents) -> None:
    cartman, *_ = await agents.cluster(*SOUTH_PARK, settings={"tags": {"role": "db"}})
    columns = "&".join(f"columns={name}" for name in ("io", "load", "swap", "uptime"))

    await page.goto(url(cartman, f"#/?density=rows&group=role&{columns}"))

    await expect(page.locator(".group-head")).to_contain_text("role=db3 nodes")
    await expect(page.locator(".sum.memory")).to_contain_text("%")
    for name in SOUTH_PARK:
        await expect(card(page, name).locator(".load .value")).to_have_text(re.compile(r"\d"))
        await expect(card(page, name).locator(".uptime .value")).to_have_text(re.compile(r"\d"))
        await expect(card(page, name).locator(".load .line")).to_have_attribute(
            "d", re.compile("M")
        )
    await page.get_by_role("button", name="Heat map").click()
    await card(page, "kenny").hover()
    await expect(page.get_by_role("tooltip")).to_contain_text("role=db")


async def test_a_killed_node_turns_red_with_reason_and_time_until_it_restarts(
    page: Page, agents: Agents
) -> None:
    _, kenny, _ = await open_three(page, agents)
    before = await card(page, "kenny").evaluate("(card) => getComputedStyle(card).backgroundColor")

    kenny.kill()
    killed = time.monotonic()

    await expect(card(page, "kenny")).to_have_attribute("data-state", "down")
    assert time.monotonic() - killed < 5
    await expect(card(page, "kenny").locator(".badge")).to_have_text("Down")
    await expect(card(page, "kenny").locator(".reason")).to_contain_text("since ")
    after = await card(page, "kenny").evaluate("(card) => getComputedStyle(card).backgroundColor")
    assert after != before
    await expect(page.locator(".states")).to_contain_text("1 down")
    await expect(page).to_have_title(re.compile(r"^\(1 down"))
    kenny.start()
    await expect(card(page, "kenny")).to_have_attribute("data-state", "up", timeout=20_000)
    await expect(page).not_to_have_title(re.compile("down"))


async def test_in_push_mode_a_frozen_node_is_stale_and_a_killed_one_is_down(
    page: Page, agents: Agents
) -> None:
    cartman, kenny, _ = await agents.cluster(*SOUTH_PARK, settings={"mode": "push"})
    await page.goto(url(cartman))
    await expect(card(page, "kenny").locator(".facts")).not_to_be_empty()

    kenny.signal(signal.SIGSTOP)

    await expect(card(page, "kenny")).to_have_attribute("data-state", "stale", timeout=10_000)
    await expect(card(page, "kenny").locator(".reason")).to_contain_text("last heard")
    await expect(card(page, "kenny").locator(".memory .value")).to_contain_text("%")
    kenny.kill()
    await expect(card(page, "kenny")).to_have_attribute("data-state", "down")
    await expect(card(page, "kenny").locator(".reason")).to_contain_text("connection")
    await expect(card(page, "kenny").locator(".memory .value")).to_contain_text("%")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_when_its_agent_ends_the_page_connects_to_another_and_says_so(
    page: Page, agents: Agents, how: signal.Signals
) -> None:
    cartman, *_ = await open_three(page, agents)

    cartman.signal(how)

    await expect(page.locator(".notice")).to_contain_text("Lost cartman at", timeout=20_000)
    await expect(page.locator(".notice")).to_contain_text("Now connected to k", timeout=20_000)
    await expect(page.locator("#status-line")).to_contain_text("Live from k")
    for name in ("kenny", "kyle"):
        await expect(card(page, name)).to_have_attribute("data-state", "up")
    await page.get_by_role("button", name="Dismiss").click()
    await expect(page.locator(".notice")).to_be_hidden()


async def test_when_no_agent_is_left_the_page_shows_the_time_of_its_numbers_and_recovers(
    page: Page, agents: Agents
) -> None:
    cluster = await open_three(page, agents)

    for agent in cluster:
        agent.kill()

    await expect(page.locator(".notice")).to_contain_text("The numbers shown are of")
    await expect(page.locator("#status-line")).to_contain_text("numbers of")
    cluster[2].start()
    cluster[2].listening()
    await expect(page.locator("#status-line")).to_contain_text("Live from kyle", timeout=30_000)
    await expect(card(page, "kyle")).to_have_attribute("data-state", "up")
    await expect(page.locator(".states")).to_contain_text("2 down")


async def test_one_token_is_valid_for_every_agent_of_a_cluster_with_a_secret(
    page: Page, agents: Agents, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret of more than thirty-two bytes")
    secret.chmod(0o600)
    nodes = [f"127.0.0.1:{port}" for port in free_ports(2)]
    settings = {"auth": {"secrets": [f"file:{secret}"]}}
    cartman, kenny = (
        agents.start(name, listen=node, nodes=nodes, settings=settings)
        for name, node in zip(("cartman", "kenny"), nodes, strict=True)
    )
    await page.goto(url(cartman))

    await page.get_by_label("Token", exact=True).fill(
        Tokens([secret.read_bytes()]).mint("read", 60, "dashboard")
    )
    await page.keyboard.press("Enter")

    await expect(card(page, "kenny").locator(".facts")).not_to_be_empty(timeout=20_000)
    cartman.kill()
    await expect(page.locator("#status-line")).to_contain_text("Live from kenny", timeout=20_000)
    assert "eyJ" not in kenny.log()


async def test_a_link_opens_the_view_of_a_node(page: Page, agents: Agents) -> None:
    cluster = await agents.cluster(*SOUTH_PARK)

    await page.goto(url(cluster[0], "#/node/kenny"))

    await expect(page.get_by_role("heading", level=1)).to_have_text("kenny")
    await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")
    for section in ("cpu", "memory", "filesystems", "network", "processes"):
        panel = page.locator(f"[data-section={section}]")
        await expect(panel).to_be_visible()
        await expect(panel.locator(".fault")).to_be_hidden()
    await expect(page.locator("[data-section=processes] tbody tr")).to_have_count(15)
    await expect(page.locator(".node-view .facts")).to_contain_text("Kernel")
    await expect(page.locator(".chart", has_text="CPU").locator("path.line")).to_have_attribute(
        "d", re.compile(r"M\d+ [\d.]+")
    )


async def test_the_processes_of_a_node_are_sorted_by_memory_and_searched(
    page: Page, agents: Agents
) -> None:
    cluster = await agents.cluster("cartman")
    await page.goto(url(cluster[0], "#/node/cartman?order=processes:-rss"))
    panel = page.locator("[data-section=processes]")
    head = panel.locator("th", has_text="Memory")
    await expect(head).to_have_attribute("aria-sort", "descending")
    sizes: list[str] = []

    async def falling() -> bool:
        nonlocal sizes
        sizes = await panel.locator("tbody td:nth-child(5)").all_text_contents()
        numbers = [in_bytes(size) for size in sizes]
        return len(numbers) == 15 and numbers == sorted(numbers, reverse=True)

    await eventually(falling, why=lambda: f"the sizes are {sizes}")
    await panel.get_by_role("searchbox").fill("pytest*")
    await expect(panel.locator(".above .note")).to_contain_text(re.compile(r"^\d+ found"))


def in_bytes(text: str) -> float:
    number, unit = text.split("\u00a0")
    return float(number) * 1024.0 ** ["B", "KiB", "MiB", "GiB", "TiB"].index(unit)


async def test_an_alert_is_seen_and_silenced_over_any_agent(page: Page, agents: Agents) -> None:
    rule = {"name": "full", "metric": "memoryTotal", "above": 1, "for": 0, "severity": "critical"}
    cartman, *_ = await agents.cluster(*SOUTH_PARK, settings={"alerts": {"rules": [rule]}})
    await page.goto(url(cartman))
    for name in SOUTH_PARK:
        await expect(card(page, name).locator(".alert-line")).to_contain_text("critical: ")
    await page.get_by_role("button", name="Alerts:").click()
    panel = page.get_by_role("dialog", name="Alerts")

    await panel.get_by_role("button", name="Silence full of kyle").click()
    await panel.get_by_label("Reason").fill("it always is")
    await page.keyboard.press("Enter")

    kyles = panel.locator(".alert", has=page.get_by_role("link", name="kyle"))
    await expect(kyles.locator(".note").first).to_contain_text("silenced")
    cartman.kill()
    await expect(page.locator("#status-line")).to_contain_text("Live from k", timeout=20_000)
    await expect(panel.locator(".silences li")).to_contain_text("it always is")
    await panel.get_by_role("button", name="End").click()
    await expect(kyles.locator(".note").first).not_to_contain_text("silenced")
