"""``python -m nodnod_client`` is the command ``nodnod``, where that is installed."""

import sys
from importlib.metadata import entry_points


def main() -> int:
    """Run the command; return its exit status."""
    # By its name: this library knows nothing of the agent's package, which has the command.
    found = entry_points(group="console_scripts", name="nodnod")
    if not found:
        sys.stderr.write("nodnod: the command is not installed: pip install nodnod-agent\n")
        return 2
    status: int = next(iter(found)).load()()
    return status


if __name__ == "__main__":
    sys.exit(main())
