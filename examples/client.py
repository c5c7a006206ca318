"""Ask an agent for the stats of its cluster, every five seconds, with NodNod's own client."""

import argparse
import asyncio
import json
import sys

import msgspec

from nodnod_client import Client, NodNodError

EVERY = 5.0


async def main(server: str, count: int) -> None:
    """Print the stats ``count`` times; without limit if ``count`` is 0."""
    client = Client(server)
    await client.connect()
    print(f"Connected to {client.url}")
    try:
        number = 0
        while True:
            answer = await client.stat_all()
            print(json.dumps(msgspec.to_builtins(answer.nodes), indent=2))
            number += 1
            if number == count:
                print("Reached maximum number of requests")
                break
            await asyncio.sleep(EVERY)
    finally:
        await client.disconnect()
        print("Disconnected client. Bye!")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", "-server", default="127.0.0.1:7070", help="address of an agent")
    parser.add_argument(
        "--count", "-count", type=int, default=10, help="requests to send; 0: no limit"
    )
    args = parser.parse_args()
    try:
        asyncio.run(main(args.server, args.count))
    except NodNodError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        pass
