"""The system's Chromium: where it is, and how to start it for a test."""

import shutil

__all__ = ["ARGUMENTS", "find_chromium"]

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root, for whom there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Its path, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
