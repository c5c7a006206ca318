#!/usr/bin/env bash
# nats-py 2.16.0, with allow_reconnect=False: a connection that is reset while messages are unsent ends without a
# call of error_cb, disconnected_cb or closed_cb, and the tasks of its subscriptions stay for ever. close()
# writes what is unsent to the connection that is gone, which raises (ConnectionResetError, or RuntimeError with
# uvloop) before it comes to either. The error is that of a task that nobody awaits.
#
# Valid input: a server that says INFO and PONG, reads no more, and resets the connection. Output, the second
# line being what the callbacks were told:
#     unsent: more than 1 MB
#     told: []
#     closed: True, tasks of subscriptions left: 1
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nats-py==2.16.0

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import logging
import sys

import nats

logging.disable()


async def main() -> int:
    told = []
    reset = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id": "x", "max_payload": 1048576}\r\n')
        await reader.readline()
        await reader.readline()
        writer.write(b"PONG\r\n")
        await reset.wait()
        writer.transport.abort()

    async def failed(error: Exception) -> None:
        told.append(repr(error))

    async def disconnected() -> None:
        told.append("disconnected")

    async def closed() -> None:
        told.append("closed")

    async def received(_: object) -> None:
        pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await nats.connect(
        "nats://127.0.0.1:%d" % server.sockets[0].getsockname()[1],
        allow_reconnect=False,
        error_cb=failed,
        disconnected_cb=disconnected,
        closed_cb=closed,
        pending_size=100_000_000,
    )
    await client.subscribe("word", cb=received)
    for _ in range(150):
        await client.publish("word", b"x" * 65536)
        await asyncio.sleep(0)
    print(f"unsent: {'more' if client.pending_data_size > 1e6 else 'less'} than 1 MB")
    reset.set()
    for _ in range(200):
        await asyncio.sleep(0.01)
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    left = names.count("Subscription._wait_for_msgs")
    print(f"told: {told}")
    print(f"closed: {client.is_closed}, tasks of subscriptions left: {left}")
    return (told, client.is_closed, left) != ([], True, 1)


sys.exit(asyncio.run(main()))
PYTHON
