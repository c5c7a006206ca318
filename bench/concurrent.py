"""Load on a running agent, and whether every answer was right.

    python bench/concurrent.py --concurrent 20 --number 200 --nodes 2 [--pipeline 16]

Exit status: 0 fine, 1 an answer was missing, failed or invalid, 2 usage, 3 cannot connect.
"""

import sys

sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import asyncio
import logging

from bench.harness.caller import new_loop
from bench.harness.load import Load, Outcome, Plan
from bench.harness.options import add_load, add_server, plan_of
from bench.harness.report import summary
from nodnod_client.errors import ConnectError

log = logging.getLogger("bench")


def main() -> int:
    """Parse, run, report."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_load(parser)
    add_server(parser)
    parser.add_argument("--ids", "-ids", action="store_true", help="match answers by id, not order")
    plan = plan_of(parser, parser.parse_args())
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            outcome = runner.run(run(plan))
    except ConnectError as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    for line in summary(outcome):
        log.info(line)
    return 0 if outcome.good else 1


async def run(plan: Plan) -> Outcome:
    """Carry out the plan and say how far it is."""
    load = Load(plan)
    await load.connect()
    log.info("Launched all clients!")
    load.launch()
    log.info("Launched all requests!")
    log.info("In progress ...")
    return await load.wait()


if __name__ == "__main__":
    sys.exit(main())
