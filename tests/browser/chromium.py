"""The system's Chromium and the package that drives it. Both are optional."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

try:
    from playwright.async_api import Browser, Locator, Page, async_playwright, expect
except ImportError:
    Browser = Locator = Page = Any  # type: ignore[assignment,misc]
    async_playwright = expect = None  # type: ignore[assignment]
else:
    expect.set_options(timeout=20_000)  # milliseconds; a busy machine is slow to paint

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root, which has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def launched(**options: Any) -> AsyncIterator[Browser]:
    """A browser without a window; with options of playwright for its launch."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=ARGUMENTS, **options
        )
        yield browser
        await browser.close()


def find_chromium() -> str | None:
    """The path of the program, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def what_is_missing() -> str:
    """What browser tests need and is missing here; empty if nothing. In CI that is an error."""
    missing = "the Python package playwright" if async_playwright is None else ""
    if find_chromium() is None:
        missing = "Chromium (on Debian: apt install chromium)"
    if missing and os.environ.get("CI") == "true":
        raise AssertionError(f"CI must have {missing}")
    return missing and f"needs {missing}"


def card(page: Page, name: str) -> Locator:
    """The card or row of a node in the overview."""
    return page.locator(f"[data-node={json.dumps(name)}]")
