"""The reason in an HTTP response that an agent sent instead of opening a WebSocket."""

import re

from websockets.http11 import Response

MAX_LENGTH = 200

_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_-]{32,}(?:\.[A-Za-z0-9_-]*)*")
"""Text that may be a token. A server may echo ours, and the reason is shown and logged."""

_STATUSES = {400, 401, 403, 421}
"""The statuses with which an agent explains a refusal."""


def refusal(response: Response) -> str:
    """The reason of a refusal and its status, at most one line; empty if no agent sent it."""
    types = response.headers.get_all("Content-Type")
    if response.status_code not in _STATUSES or len(types) != 1:
        return ""
    lines = (response.body or b"").decode("utf-8", "replace").splitlines()
    if not types[0].startswith("text/plain") or not lines:
        return ""
    text = "".join(char for char in lines[0] if char.isprintable())
    text = _TOKEN_LIKE.sub("…", text)[:MAX_LENGTH]
    return f"it refuses us: {text} (HTTP {response.status_code})" if text else ""
