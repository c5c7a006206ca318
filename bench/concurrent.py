"""Put load on a running agent, and check every answer.

    python bench/concurrent.py --concurrent 20 --number 200 --nodes 2 [--pipeline 16]

Exit status: 0 fine, 1 an answer was missing, failed or invalid, 2 wrong usage, 3 cannot connect.
"""

import sys

if __name__ == "__main__":
    sys.path[0] += "/.."  # from bench/ itself, concurrent.py would hide the library's

import argparse
import logging

from bench.harness.caller import run
from bench.harness.load import LoadGenerator, Outcome, Plan
from bench.harness.options import add_load, add_server, plan_of, run_program
from bench.harness.report import summary

log = logging.getLogger("bench")


def main() -> int:
    """Parse, run, report."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_load(parser)
    add_server(parser)
    parser.add_argument("--ids", "-ids", action="store_true", help="match answers by id, not order")
    plan = plan_of(parser, parser.parse_args())
    outcome = run(measure(plan))
    for line in summary(outcome):
        log.info(line)
    return 0 if outcome.good else 1


async def measure(plan: Plan) -> Outcome:
    """Put on the load and log the progress."""
    load = LoadGenerator(plan)
    await load.connect()
    log.info("Launched all clients!")
    load.launch()
    log.info("Launched all requests!")
    log.info("In progress ...")
    return await load.wait()


if __name__ == "__main__":
    run_program(main)
