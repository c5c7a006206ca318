#!/usr/bin/env bash
# uvloop 0.23.0 calls timers before their time, by its own clock. It rounds a delay to whole milliseconds, down
# as well as up: one below 0.5 ms is none at all, and 1.4 ms are 1. asyncio's documentation has call_later()
# call "after the given delay", and its own loop never calls before. So what limits a rate by short sleeps
# limits nothing, and what compares loop.time() with its deadline when the timer has come is not there yet.
#
# Valid input: call_at(loop.time() + delay), 20 times each; the earliest counts. Output:
#     asyncio, 0.4 ms: not before its time
#     asyncio, 1.4 ms: not before its time
#     uvloop, 0.4 ms: 0.4 ms before its time
#     uvloop, 1.4 ms: 0.4 ms before its time
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

import uvloop


async def earliest(delay: float) -> float:
    """How late the earliest of 20 timers is called, in ms; negative before its time."""
    loop = asyncio.get_running_loop()
    late = []
    for _ in range(20):
        called = loop.create_future()
        when = loop.time() + delay
        loop.call_at(when, lambda: called.set_result(loop.time()))
        late.append(round((await called - when) * 1000, 1))
    return min(late)


seen = []
for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
    for delay in (0.0004, 0.0014):
        late = run(earliest(delay))
        seen.append(f"{-late} ms before its time" if late < 0 else "not before its time")
        print(f"{name}, {delay * 1000} ms: {seen[-1]}")
sys.exit(seen != ["not before its time"] * 2 + ["0.4 ms before its time"] * 2)
PYTHON
