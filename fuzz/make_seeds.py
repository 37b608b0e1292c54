#!/usr/bin/env python3
"""Writes the seeds of the three frame targets from the golden files; run in the root, as .ci/regenerate does it.

With --check nothing is written: it fails when a seed is not what it would write."""

import json
import pathlib
import struct
import sys

GOLDEN = pathlib.Path("tests/golden/wire")
SEEDS = pathlib.Path("fuzz/seeds")
# The order of BODIES in fuzz/bodies/src/frames.rs, after a request and a reply for each row.
BODIES = ["Hello", "Ready", "LoadBegin", "Piece", "OutputBegin", "Outcome", "Fatal", "Failure"]


def samples(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def data(sample):
    return bytes.fromhex(sample["bytes"])


made = {}


def write(target, name, content):
    made[SEEDS / target / name] = content


def datagram(content):
    """As `frame_from_jail` takes it: two bytes of length in front."""
    return struct.pack("<H", len(content)) + content


def main():
    frames = {sample["value"]["kind"]: data(sample) for sample in samples("frames")}
    operations = json.loads(pathlib.Path("ipc/protocol.json").read_text(encoding="utf-8"))["operations"]
    places = {}
    for index, operation in enumerate(operations):
        places[operation["request"]] = 2 * index
        places.setdefault(operation["reply"], 2 * index + 1)
    for index, body in enumerate(BODIES):
        places[body] = 2 * len(operations) + index

    groups = dict.fromkeys(operation["group"] for operation in operations)
    rows = [sample for group in groups for sample in samples(group)]
    for index, sample in enumerate(rows + samples("control") + samples("failure")):
        name = f"{sample['type'].replace('()', 'nothing')}-{index}"
        if sample["type"] in places and sample["type"] != "()":
            write("canonical_round_trip", name, bytes([places[sample["type"]]]) + data(sample))
        is_row = sample["sample"].startswith("0x")
        if is_row and sample["sample"].endswith("reply"):
            write("frame_from_broker", name, b"\x01" + data(sample) + b"\x00")
        elif is_row:
            number = int(sample["sample"].split()[0], 16)
            write("frame_from_jail", name, b"\x01\0\0\0\0" + struct.pack("<H", number) + data(sample))
        elif sample["type"] != "ErrorKind":
            write("frame_from_broker", name, data(sample))
    for sample in samples("refused"):
        name = "refused-" + "".join(c if c.isalnum() else "-" for c in sample["refused"])
        target = "frame_from_jail" if sample["type"] in ("Frame", "Call") else "frame_from_broker"
        write(target, name, datagram(data(sample)) if sample["type"] == "Frame" else data(sample))

    # A whole run; a datagram that begins with the top bit set tells the target that the broker moves on.
    run, moves_on = b"", datagram(b"\x80")
    order = ["Ready", None, None, None, "Call", "Call", "OutputBegin", "OutputChunk", "OutputEnd", "Result"]
    sequence = 0
    for kind in order:
        if kind is None:
            run += moves_on
            continue
        frame = frames[kind]
        run += datagram(frame[:4] + struct.pack("<I", sequence) + frame[8:])
        sequence += 1
    write("frame_from_jail", "whole-run", run)
    for kind in ("Hello", "LoadBegin", "LoadChunk", "Reply", "Ack"):
        write("frame_from_broker", f"frame-{kind}", frames[kind])

    return keep(check="--check" in sys.argv[1:])


def keep(check):
    """What was found by fuzzing stays; everything else is what was just made."""
    there = {
        seed
        for target in ("frame_from_jail", "frame_from_broker", "canonical_round_trip")
        for seed in (SEEDS / target).glob("*")
        if not seed.name.startswith("finding-")
    }
    wrong = (there - made.keys()) | {seed for seed in made if seed not in there or seed.read_bytes() != made[seed]}
    if check:
        for seed in sorted(wrong):
            print(f"{seed} is not what the golden files give: run .ci/regenerate")
        return 1 if wrong else 0
    for seed in there - made.keys():
        seed.unlink()
    for seed, content in made.items():
        seed.parent.mkdir(parents=True, exist_ok=True)
        seed.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
