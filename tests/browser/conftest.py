"""A browser for all tests of this folder, and a page for each."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from browser.chromium import (
    ARGUMENTS,
    Browser,
    Page,
    async_playwright,
    find_chromium,
    what_is_missing,
)

NETWORK = ("WebSocket connection to", "Failed to load resource")
"""How console lines begin that only say that somebody did not answer."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One process for all; each test gets a context of its own."""
    missing = what_is_missing()
    if missing:
        pytest.skip(missing)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Callable[..., Page]]:
    """Opens pages, with the options of a browser context; none may have complained by the end."""
    contexts = []
    complaints: list[str] = []

    async def open_(**options: object) -> Page:
        context = await browser.new_context(
            **{"viewport": {"width": 1400, "height": 900}} | options
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(f"{error}\n{error.stack}"))
        page.on(
            "console",
            lambda line: (
                complaints.append(line.text)
                if line.type in ("error", "warning") and not line.text.startswith(NETWORK)
                else None
            ),
        )
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: Callable[..., Page]) -> Page:
    """A page on a wide screen, on which nothing is open yet."""
    return await open_page()
