"""The child process that sends one message through Apprise.

It reads ``{"url", "title", "body", "type"}`` as JSON from stdin, and writes ``[ok, why]`` to stdout.
"""

import json
import logging
import os
import re
import signal
import sys
from typing import Any

LIMIT = 20
"""Seconds after which it ends by itself: the agent that would kill it may be gone."""

NOT_TAKEN = (
    "Apprise does not take this URL: it is not complete, or of a service that Apprise does not know, "
    "or that needs another package"
)

MISSING = "Apprise is not installed: pip install 'nodnod-agent[notify]'"


class _Warnings(logging.Handler):
    """Keeps what Apprise logs about a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.getMessage()}\n"


def main() -> None:
    """Send, and write the result."""
    signal.alarm(LIMIT)
    order = json.load(sys.stdin.buffer)
    result = os.dup(1)
    # What a service's module prints is no result.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.write(result, json.dumps(_send(order)).encode())


def _send(order: dict[str, Any]) -> tuple[bool, str]:
    try:
        import apprise
    except ImportError:
        return False, MISSING
    warnings = _Warnings()
    logging.getLogger("apprise").addHandler(warnings)
    asset = apprise.AppriseAsset()
    # After a 301 or 302 it would ask for the other page without the message, and take that page's
    # 200 for a success. Older versions than 2.3 do not know this, and take no such argument.
    asset.http_redirects = False
    # Not add(url): it takes a comma for the beginning of another URL.
    service = apprise.Apprise.instantiate(order["url"], asset=asset)
    sender = apprise.Apprise()
    if service is None or not sender.add(service):
        return False, NOT_TAKEN
    # As text, so that a name of a node is no HTML in a mail.
    sent = sender.notify(
        body=order["body"],
        title=order["title"],
        notify_type=order["type"],
        body_format=apprise.NotifyFormat.TEXT,
    )
    return (True, "sent") if sent else (False, _why(warnings.text))


def _why(text: str) -> str:
    """The cause in words of our own: those of Apprise may show a part of the URL."""
    status = re.search(r"error=(\d{3})\b", text)
    if status is not None:
        return f"HTTP {status[1]}"
    if "onnection error" in text or "onnection Error" in text:
        return "no connection, or no answer"
    return "Apprise could not send it"


if __name__ == "__main__":
    main()
