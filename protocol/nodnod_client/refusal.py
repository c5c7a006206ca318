"""What an HTTP answer that came instead of a WebSocket says, in a few words."""

import re

from websockets.http11 import Response

MAX_LENGTH = 200

_SECRETIVE = re.compile(r"[A-Za-z0-9_-]{32,}(?:\.[A-Za-z0-9_-]*)*")
"""What may be a token: whoever answers may repeat ours, and what he says is shown, and logged."""

_MEANT_FOR_US = {400, 401, 403, 421}
"""Statuses with which an agent tells who asks what is wrong with how he asks."""


def refusal(response: Response) -> str:
    """Why an agent refuses us, with the status; empty if it is not likely an agent that answered."""
    kind = response.headers.get("Content-Type", "") if _one_type(response) else ""
    if response.status_code not in _MEANT_FOR_US or not kind.startswith("text/plain"):
        return ""
    lines = (response.body or b"").decode("utf-8", "replace").splitlines()
    said = "".join(char for char in (lines or [""])[0] if char.isprintable())
    said = _SECRETIVE.sub("…", said)[:MAX_LENGTH]
    return f"it refuses us: {said} (HTTP {response.status_code})" if said else ""


def _one_type(response: Response) -> bool:
    return len(response.headers.get_all("Content-Type")) == 1
