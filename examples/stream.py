"""Stream the stats of a cluster from one agent."""

import argparse
import asyncio
import sys

from nodnod_client import Client, NodNodError


async def main(server: str, every: float, count: int) -> None:
    """Print a line per node for each of ``count`` answers; without limit if ``count`` is 0."""
    async with Client(server) as client:
        number = 0
        async for answer in client.stream(every=every):
            if answer.reconnected:
                print("(reconnected)")
            if answer.missed:
                print(f"({answer.missed} answers missed)")
            for name, node in sorted(answer.nodes.items()):
                text = node.error or (
                    f"cpu {node.cpu_used:5.1f} %  memory {node.memory_used_percent:5.1f} %"
                    f"  disk {node.disk_used_percent:5.1f} %"
                )
                print(f"{answer.seq:>5}  {name:<16} {text}", flush=True)
            number += 1
            if number == count:
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", "-server", default="127.0.0.1:7070", help="address of an agent")
    parser.add_argument("--every", "-every", type=float, default=1, help="seconds between answers")
    parser.add_argument(
        "--count", "-count", type=int, default=0, help="answers to print; 0: no limit"
    )
    args = parser.parse_args()
    try:
        asyncio.run(main(args.server, args.every, args.count))
    except NodNodError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        pass
