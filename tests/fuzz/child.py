"""One process of the fuzzer: child.py TARGET, and arguments of libFuzzer. See run.py."""

import random
import sys
from pathlib import Path

import atheris

TESTS = Path(__file__).parent.parent
# The fuzzer follows coverage in these packages; it cannot look into compiled modules.
INSTRUMENTED = ["nodnod_client", "nodnod_agent", "websockets"]

sys.path[:0] = [str(TESTS.parent), str(TESTS)]
with atheris.instrument_imports(include=INSTRUMENTED):
    from fuzz.targets import TARGETS

from fuzz import corpus
from fuzz.mutator import Mutator


def main(name: str, arguments: list[str]) -> None:
    """Fuzz; the process ends here."""
    mutator = Mutator(corpus.read_all(name))

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            changed = mutator(data, rng)
            if changed is not None and len(changed) <= max_size:
                return changed
        return bytes(atheris.Mutate(data, max_size))

    atheris.Setup([arguments[0], *arguments[1:]], TARGETS[name], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
