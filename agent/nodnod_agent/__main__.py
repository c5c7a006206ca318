"""``python -m nodnod_agent`` starts an agent, as ``nodnod-agent`` does."""

import sys

from nodnod_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
