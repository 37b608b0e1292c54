#!/usr/bin/env python3
"""Writes the seeds of the three frame targets from the golden files: run it in the root after the table has changed."""

import json
import pathlib
import struct

GOLDEN = pathlib.Path("tests/golden/wire")
SEEDS = pathlib.Path("fuzz/seeds")
# The order of BODIES in fuzz/bodies/src/frames.rs, after a request and a reply for each row.
BODIES = ["Hello", "Ready", "LoadBegin", "Piece", "OutputBegin", "Outcome", "Fatal", "Failure"]


def samples(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def data(sample):
    return bytes.fromhex(sample["bytes"])


def write(target, name, content):
    (SEEDS / target / name).write_bytes(content)


def datagram(content):
    """As `frame_from_jail` takes it: two bytes of length in front."""
    return struct.pack("<H", len(content)) + content


def main():
    for target in ("frame_from_jail", "frame_from_broker", "canonical_round_trip"):
        (SEEDS / target).mkdir(parents=True, exist_ok=True)
        for seed in (SEEDS / target).iterdir():
            if not seed.name.startswith("finding-"):
                seed.unlink()

    frames = {sample["value"]["kind"]: data(sample) for sample in samples("frames")}
    operations = json.loads(pathlib.Path("ipc/protocol.json").read_text(encoding="utf-8"))["operations"]
    places = {}
    for index, operation in enumerate(operations):
        places[operation["request"]] = 2 * index
        places.setdefault(operation["reply"], 2 * index + 1)
    for index, body in enumerate(BODIES):
        places[body] = 2 * len(operations) + index

    rows = [sample for group in ("runtime", "file_system") for sample in samples(group)]
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


if __name__ == "__main__":
    main()
