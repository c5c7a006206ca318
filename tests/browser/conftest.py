"""One browser for the tests of this folder, and a page for each test."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from browser.chromium import Browser, Page, launched, what_is_missing

NETWORK = ("WebSocket connection to", "Failed to load resource")
"""The beginning of console messages about failed connections, which tests provoke."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser process; each test opens its own context."""
    missing = what_is_missing()
    if missing:
        pytest.skip(missing)
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Callable[..., Page]]:
    """Opens pages, with the options of a browser context; fails if a page logged an error."""
    contexts = []
    errors: list[str] = []

    async def open_(**options: object) -> Page:
        context = await browser.new_context(
            **{"viewport": {"width": 1400, "height": 900}} | options
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
        page.on(
            "console",
            lambda line: (
                errors.append(line.text)
                if line.type in ("error", "warning") and not line.text.startswith(NETWORK)
                else None
            ),
        )
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert errors == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: Callable[..., Page]) -> Page:
    """A blank page on a wide screen."""
    return await open_page()
