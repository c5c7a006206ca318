#!/usr/bin/env bash
# textual 8.2.8: markup.escape() escapes a bracket only before a small letter, `#`, `/` or `@`. The parser
# takes more for a tag: a capital letter, a digit with a `%` behind, a `$`. So text that was escaped, as the
# documentation has it for text that is no markup, loses such words without an error: the state of a RAID
# (`[UU]` of /proc/mdstat), `[OK]`, `[50%]`.
#
# Valid input: Static("…") with escaped texts, in an app without a terminal. Output:
#     [sda] is shown as [sda]
#     [2/2] [UU] is shown as [2/2]
#     [OK] ready is shown as  ready
#     full [50%] is shown as full
#     [$HOME]/x is shown as /x
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

from textual.app import App
from textual.markup import escape
from textual.widgets import Static

SHOWN = {
    "[sda]": "[sda]",
    "[2/2] [UU]": "[2/2]",
    "[OK] ready": " ready",
    "full [50%]": "full",
    "[$HOME]/x": "/x",
}


async def shown() -> dict[str, str]:
    app = App()
    async with app.run_test(size=(40, 10)) as pilot:
        lines = {text: Static(escape(text)) for text in SHOWN}
        await app.mount(*lines.values())
        await pilot.pause()
        return {text: line.render_line(0).text.rstrip() for text, line in lines.items()}


seen = asyncio.run(shown())
for text, line in seen.items():
    print(text, "is shown as", line)
sys.exit(seen != SHOWN)
PYTHON
