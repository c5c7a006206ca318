"""What is fuzzed: a target takes any bytes, and raises where something is wrong."""

from collections.abc import Callable

from fuzz import codec, scenario

TARGETS: dict[str, Callable[[bytes], None]] = {"codec": codec.run, "connection": scenario.run}
