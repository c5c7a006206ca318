"""How long the page waits for a connection to open, on pages of the internet, too."""

from importlib.resources import files
from typing import Any

import pytest

from browser.chromium import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

DASHBOARD = files("nodnod_agent") / "dashboard"

STUBS = """
    const waited = [];
    globalThis.setTimeout = (done, delay, ...values) => {
        waited.push(delay);
        queueMicrotask(() => done(...values));
    };
    globalThis.WebSocket = class { close() {} };
    navigator.permissions.query = async ({ name }) => {
        if (name !== "local-network") throw new TypeError();
        return { state };
    };
"""


async def attempts(page: Page, origin: str, url: str, state: str, count: int = 1) -> Any:
    """The fault of the last of some attempts in which nothing answers, and how long each waited."""

    async def serve(route: Any) -> None:
        path = DASHBOARD / route.request.url.rpartition("/")[2]
        is_script = path.name.endswith(".js")
        kind = "text/javascript" if is_script else "text/html"
        await route.fulfill(body=path.read_text() if is_script else "", content_type=kind)

    await page.route(f"{origin}/**", serve)
    await page.goto(f"{origin}/")
    return await page.evaluate(
        f"""async ([state, url, count]) => {{
            {STUBS}
            const {{ openSocket }} = await import("/socket.js");
            let last;
            for (let i = 0; i < count; i += 1) {{
                last = await openSocket({{ url }});
            }}
            return [last.fault, waited];
        }}""",
        [state, url, count],
    )


PUBLIC, LOCAL = "https://ops.example", "ws://127.0.0.1:7070/"
NEAR = "wss://10.0.0.2:7070/"


@pytest.mark.parametrize(
    ("origin", "url", "state", "fault", "waited"),
    [
        (PUBLIC, NEAR, "prompt", "silent", [3000, 57_000]),
        (PUBLIC, NEAR, "granted", "silent", [3000]),
        (PUBLIC, NEAR, "denied", "blocked", [3000]),
        (PUBLIC, "wss://b.example:7070/", "prompt", "silent", [3000]),
        ("http://localhost:7070", LOCAL, "prompt", "silent", [3000]),
        ("http://10.0.0.1:7070", "ws://10.0.0.2:7070/", "prompt", "silent", [3000]),
    ],
)
async def test_a_person_has_a_minute_to_answer_the_browser_where_it_asks(
    page: Page, origin: str, url: str, state: str, fault: str, waited: list[int]
) -> None:
    assert await attempts(page, origin, url, state) == [fault, waited]


async def test_after_many_failures_there_is_more_patience(page: Page) -> None:
    fault, waited = await attempts(page, "http://localhost:7070", LOCAL, "prompt", 10)
    assert fault == "silent"
    assert waited == [3000] * 8 + [10_000] * 2
