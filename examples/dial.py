"""Ask an agent for the stats of its cluster with nothing but a WebSocket."""

import argparse
import json
import logging
import sys
import time

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect


def main(server: str, pause: float) -> None:
    """Send a request, print the answer, wait, and repeat."""
    logging.info("Connecting to ws://%s/", server)
    with connect(f"ws://{server}/", proxy=None) as websocket:
        while True:
            start = time.perf_counter()
            websocket.send('{"type": 1, "statType": 0}')
            answer = json.loads(websocket.recv())
            milliseconds = (time.perf_counter() - start) * 1000
            logging.info("Received response from node: %s", answer["host"])
            logging.info("Duration: %.1fms", milliseconds)
            print(json.dumps(answer, indent=2), flush=True)
            time.sleep(pause)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", "-server", default="127.0.0.1:7070", help="address of an agent")
    parser.add_argument(
        "--duration", "-duration", type=float, default=5, help="seconds between requests"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        main(args.server, args.duration)
    except (OSError, WebSocketException) as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        pass
