"""Fuzzes the targets with atheris, each for a time; ``make fuzz`` runs it.

    run.py [--seconds N] [--keep] [TARGET ...]       fuzz, and say what was found
    run.py --replay TARGET INPUT                     play one input, written as in the corpus

Exits with 1 where a target raised, and prints the input, as small as it could be made. ``--keep``
adds what reached something new to the corpus, and drops from it what no longer does.
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

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz import corpus
from fuzz.mutator import words
from fuzz.targets import TARGETS

CHILD = Path(__file__).with_name("child.py")

SECONDS = 60.0
LONGEST = 1024
"""Bytes of an input."""

SLOWEST = 10
"""Seconds that one input may take; most take a millisecond."""

MEMORY = 1024
"""MiB that may be in use."""

ATTEMPTS = 1000
"""Inputs that are tried to make one that raises smaller."""

STATUS = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/.* exec/s: (\d+)")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Fuzz NodNod with atheris.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each (default: 60)")
    parser.add_argument("--keep", action="store_true", help="keep what reached something new")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "INPUT"), help="play one input")
    options = parser.parse_args()
    unknown = {*options.targets, *(options.replay or [])[:1]} - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.replay:
        TARGETS[options.replay[0]](corpus.unshown(options.replay[1]))
        return 0
    names = options.targets or list(TARGETS)
    return max([fuzz(name, options.seconds, keep=options.keep) for name in names])


def fuzz(name: str, seconds: float, *, keep: bool) -> int:
    """Fuzz one target; 1 if it raised."""
    with tempfile.TemporaryDirectory(prefix="nodnod-fuzz-") as folder:
        seeds, inputs, faults = (Path(folder, kind) for kind in ("seeds", "inputs", "faults"))
        unpack(seeds, corpus.seeds(name))
        unpack(inputs, corpus.found(name))
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
        bad = [path.read_bytes() for path in sorted(faults.iterdir()) if "slow" not in path.name]
        failed = bool(status or bad)
        if failed:
            report(name, bad, log)
        if keep:
            merge(folder, name, seeds, inputs)
    return int(failed)


def start(folder: str, name: str, arguments: Iterable[object]) -> tuple[int, list[str]]:
    """Run the fuzzer to its end; its status, and all that it said."""
    log: list[str] = []
    # For some of its work libFuzzer starts itself anew, and knows no more of itself than a path.
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
    """Keep of all inputs those few that reach, with the seeds, all that is reached."""
    merged = Path(folder, "merged")
    unpack(merged, corpus.seeds(name))
    status, log = start(folder, name, ["-set_cover_merge=1", f"-max_len={LONGEST}", merged, inputs])
    if status:
        raise SystemExit("\n".join(log[-20:]))
    written = set(corpus.seeds(name))
    kept = corpus.keep(name, {path.read_bytes() for path in merged.iterdir()} - written)
    print(f"  kept {kept} inputs beside {len(written)} seeds")


def report(name: str, bad: list[bytes], log: list[str]) -> None:
    """Say what raised, and with what."""
    begin = next((at for at, line in enumerate(log) if "Uncaught Python exception" in line), -30)
    print("\n".join(log[begin:]))
    for data in bad:
        small = corpus.shown(smaller(data, TARGETS[name]))
        again = shlex.join([sys.executable, __file__, "--replay", name, small])
        print(
            f"\n{name} fails with this input, which belongs among the seeds:\n\n{small}\n\n{again}"
        )


def smaller(data: bytes, target: Callable[[bytes], None]) -> bytes:
    """An input that fails in the same way, without what it does not need for that."""
    fault = kind(data, target)
    if fault is None:  # too slow, or too much: not to be tried again and again
        return data
    size, attempts = max(1, len(data) // 2), 0
    while size and attempts < ATTEMPTS:
        at = 0
        while at < len(data) and attempts < ATTEMPTS:
            attempts += 1
            shorter = data[:at] + data[at + size :]
            if kind(shorter, target) == fault:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def kind(data: bytes, target: Callable[[bytes], None]) -> object:
    """In which way a target fails, or ``None``."""
    try:
        target(data)
    except Exception as error:  # noqa: BLE001  # all that may be
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
    return None


def unpack(folder: Path, inputs: Iterable[bytes]) -> None:
    """Inputs as the fuzzer wants them: files of their own."""
    folder.mkdir()
    for data in inputs:
        (folder / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def _hex(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
