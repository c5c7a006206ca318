"""Fuzzes each target with atheris for a time; ``make fuzz`` runs it.

    run.py [--seconds N] [--keep] [TARGET ...]       fuzz, and report what was found
    run.py --replay TARGET INPUT                     play one input, escaped as in the corpus

Exits with 1 if a target raised, and prints the input, minimized. ``--keep`` adds inputs that reach
something new to the corpus, and drops those that no longer do.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha1
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from fuzz import corpus
from fuzz.mutator import words
from fuzz.targets import TARGETS

CHILD = Path(__file__).with_name("child.py")

SECONDS = 60.0
LONGEST = 1024
"""Bytes of an input, at most."""

SLOWEST = 10
"""Seconds that one input may take; most take a millisecond."""

MEMORY = 1024
"""MiB of memory that the fuzzer may use."""

ATTEMPTS = 1000
"""Inputs that are tried to minimize one."""

STATUS = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/.* exec/s: (\d+)")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Fuzz NodNod with atheris.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each (default: 60)")
    parser.add_argument("--keep", action="store_true", help="keep inputs that reach something new")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "INPUT"), help="play one input")
    options = parser.parse_args()
    unknown = {*options.targets, *(options.replay or [])[:1]} - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.replay:
        TARGETS[options.replay[0]](corpus.from_line(options.replay[1]))
        return 0
    names = options.targets or list(TARGETS)
    return max([fuzz(name, options.seconds, keep=options.keep) for name in names])


def fuzz(name: str, seconds: float, *, keep: bool) -> int:
    """Fuzz one target; 1 if it raised."""
    with tempfile.TemporaryDirectory(prefix="nodnod-fuzz-") as folder:
        seeds, inputs, faults = (Path(folder, name) for name in ("seeds", "inputs", "faults"))
        write_inputs(seeds, corpus.seeds(name))
        write_inputs(inputs, corpus.found(name))
        faults.mkdir()
        dictionary = Path(folder, "words")
        dictionary.write_text("".join(f'"{_hex(word)}"\n' for word in words(corpus.seeds(name))))
        print(f"{name}: {seconds:g} s from {len(corpus.read_all(name))} inputs", flush=True)
        run = [
            *(f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", f"-dict={dictionary}"),
            *(f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={faults}/"),
            *("-use_value_profile=1", inputs, seeds),
        ]
        status, log = start(folder, name, run)
        failing = [
            path.read_bytes() for path in sorted(faults.iterdir()) if "slow" not in path.name
        ]
        failed = bool(status or failing)
        if failed:
            report(name, failing, log)
        if keep:
            merge(folder, name, seeds, inputs)
    return int(failed)


def start(folder: str, name: str, arguments: Iterable[object]) -> tuple[int, list[str]]:
    """Run the fuzzer to its end; its status and output."""
    log: list[str] = []
    # libFuzzer starts itself again for a part of its work, by a path without arguments.
    command = Path(folder, "fuzzer")
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{CHILD}" {name} "$0" "$@"\n')
    command.chmod(0o755)
    with subprocess.Popen(
        [command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line.rstrip())
            found = STATUS.match(line)
            if found and found[2] in ("INITED", "pulse", "DONE"):
                runs, _, coverage, features, kept, speed = found.groups()
                reached = f"{coverage} branches, {features} features, {kept} inputs"
                print(f"  {runs} runs, {speed} a second: {reached}", flush=True)
    return process.returncode, log


def merge(folder: str, name: str, seeds: Path, inputs: Path) -> None:
    """Keep the few inputs that reach, together with the seeds, everything that all reach."""
    merged = Path(folder, "merged")
    write_inputs(merged, corpus.seeds(name))
    status, log = start(folder, name, ["-set_cover_merge=1", f"-max_len={LONGEST}", merged, inputs])
    if status:
        raise SystemExit("\n".join(log[-20:]))
    written = set(corpus.seeds(name))
    kept = corpus.keep(name, {path.read_bytes() for path in merged.iterdir()} - written)
    print(f"  kept {kept} inputs beside {len(written)} seeds")


def report(name: str, failing: list[bytes], log: list[str]) -> None:
    """Print the errors, and an input for each."""
    begin = next((at for at, line in enumerate(log) if "Uncaught Python exception" in line), -30)
    print("\n".join(log[begin:]))
    for data in failing:
        small = corpus.to_line(minimize(data, TARGETS[name]))
        again = shlex.join([sys.executable, __file__, "--replay", name, small])
        print(
            f"\n{name} fails with this input, which belongs among the seeds:\n\n{small}\n\n{again}"
        )


def minimize(data: bytes, target: Callable[[bytes], None]) -> bytes:
    """A part of an input that fails in the same way."""
    fault = failure(data, target)
    if fault is None:  # it took too much time or memory
        return data
    size, attempts = max(1, len(data) // 2), 0
    while size and attempts < ATTEMPTS:
        at = 0
        while at < len(data) and attempts < ATTEMPTS:
            attempts += 1
            shorter = data[:at] + data[at + size :]
            if failure(shorter, target) == fault:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def failure(data: bytes, target: Callable[[bytes], None]) -> object:
    """In which way a target fails, or ``None``."""
    try:
        target(data)
    except Exception as error:  # noqa: BLE001  # all that may be
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
    return None


def write_inputs(folder: Path, inputs: Iterable[bytes]) -> None:
    """Write each input into a file of its own, as the fuzzer reads them."""
    folder.mkdir()
    for data in inputs:
        (folder / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def _hex(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
