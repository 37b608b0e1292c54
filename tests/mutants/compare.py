#!/usr/bin/env python3
"""Compares what cargo-mutants left alive with tests/mutants/survivors.txt: compare.py OUTPUT_DIRECTORY..."""

import pathlib
import re
import sys

KNOWN = pathlib.Path(__file__).resolve().parent / "survivors.txt"


def without_place(mutant):
    """`ipc/src/state.rs:88:9: replace …` without line and column, which move with every change."""
    return re.sub(r"^([^:]+):\d+:\d+: ", r"\1: ", mutant)


def outcomes(directory, name):
    path = pathlib.Path(directory) / "mutants.out" / f"{name}.txt"
    return {without_place(line) for line in path.read_text(encoding="utf-8").splitlines() if line}


def known():
    """Mutant and reason of each line; comments begin with `#`."""
    found = {}
    for number, line in enumerate(KNOWN.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        mutant, mark, reason = line.partition(" -- ")
        if not mark or len(reason) < 20:
            sys.exit(f"{KNOWN}:{number}: a survivor needs ` -- ` and its reason")
        found[mutant] = reason
    return found


def main(directories):
    if not directories:
        sys.exit(__doc__)
    alive, noticed = set(), set()
    for directory in directories:
        alive |= outcomes(directory, "missed")
        noticed |= outcomes(directory, "caught") | outcomes(directory, "timeout")
    reviewed = known()
    new = sorted(alive - set(reviewed))
    # Several places of one file can read alike; as long as one of them lives, so does the line.
    stale = sorted(mutant for mutant in reviewed if mutant in noticed and mutant not in alive)
    for mutant in new:
        print(f"not noticed, and not reviewed: {mutant}")
    for mutant in stale:
        print(f"reviewed, but noticed by now: {mutant}")
    print(f"{len(noticed)} noticed, {len(alive)} alive, {len(reviewed)} reviewed")
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
