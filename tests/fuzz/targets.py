"""What is fuzzed: a target takes any bytes, and raises where something is wrong."""

from collections.abc import Callable

from fuzz import codec, pump

__all__ = ["TARGETS"]

TARGETS: dict[str, Callable[[bytes], None]] = {"codec": codec.run, "pump": pump.run}
