"""A script that takes the flags of an agent and runs a version-1 double in a light process.

``--deaf`` ignores SIGTERM, ``--alone`` knows no other node; ``--dies`` logs 50 lines and ends with
status 4.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from doubles.v1_server import V1Server, node_object


async def main(args: argparse.Namespace, addresses: list[str]) -> None:
    shown = [args.listen] if args.alone else addresses
    nodes = [node_object(f"node at {address}") for address in shown]
    host, _, port = args.listen.rpartition(":")
    ended = asyncio.Event()
    if args.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with V1Server(args.name, nodes=nodes, host=host, port=int(port)):
        print("listening", flush=True)  # noqa: T201
        await ended.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for flag in ("--listen", "--name", "--config"):
        parser.add_argument(flag)
    for flag in ("--deaf", "--dies", "--alone"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if args.dies:
        print("no memory\n" * 49 + "no such disk")  # noqa: T201
        sys.exit(4)
    asyncio.run(main(args, json.loads(Path(args.config).read_text())["nodes"]))
