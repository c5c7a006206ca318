#!/usr/bin/env bash
# textual 8.2.8: a rich Text that a widget renders keeps the terminal's own colors (`ansi_color=True`) only
# in its spans. The style of the Text itself is read as CSS, in which `red` is #ff0000 and `yellow` is
# #ffff00, so Text("x", style="red") is painted in RGB where Text.assemble(("x", "red")) is painted in the
# terminal's color 1. A program that follows the theme of a terminal, light or of 16 colors, does so
# everywhere but in such lines.
#
# Valid input: two Text objects of the same word and style, in an app without a terminal. Output:
#     red of the whole text: truecolor #ff0000
#     red of a part: standard color 1
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

from rich.text import Text
from textual.app import App
from textual.widgets import Static

TEXTS = {
    "of the whole text": Text("lost", style="red"),
    "of a part": Text.assemble(("lost", "red")),
}
EXPECTED = {"of the whole text": "truecolor #ff0000", "of a part": "standard color 1"}


def described(color) -> str:
    kind = color.type.name.lower()
    return f"{kind} {color.triplet.hex}" if color.triplet else f"{kind} color {color.number}"


async def painted() -> dict[str, str]:
    app = App(ansi_color=True)
    async with app.run_test(size=(40, 10)) as pilot:
        lines = {what: Static(text) for what, text in TEXTS.items()}
        await app.mount(*lines.values())
        await pilot.pause()
        return {
            what: next(described(one.style.color) for one in line.render_line(0) if one.text.strip())
            for what, line in lines.items()
        }


seen = asyncio.run(painted())
for what, color in seen.items():
    print(f"red {what}: {color}")
sys.exit(seen != EXPECTED)
PYTHON
