#!/usr/bin/env python3
"""Writes the seeds of the three frame targets from the golden files, and those of a worker's errands; run in the root, as
.ci/regenerate does it.

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

    errands()
    return keep(check="--check" in sys.argv[1:])


# The kinds of frames, as in hardening/agreed/src/errand.rs.
PREPARE, SERVER, ANCHORS, SAY, ARRIVED, CLOSED, MORE, QUESTION, MESSAGE = range(1, 10)
READY, TAKEN, STEP, FAILED, ADDRESSES = range(65, 70)


def errand(kind, number, body):
    return datagram(b"RW\x01" + bytes([kind]) + struct.pack("<II", number, len(body)) + bytes(4) + body)


def conversation(*frames):
    return b"".join(errand(kind, number, body) for number, (kind, body) in enumerate(frames))


def errands():
    """Whole conversations with a worker, and each form of its answers."""
    chain = (SEEDS / "certificate_chains/chain").read_bytes()
    server = (SERVER, struct.pack("<Q", 1767225600) + b"a.example")
    hello = (SAY, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    # A record of TLS 1.2 with an answer to the greeting that chooses what the worker offers, cut where its extensions begin.
    chosen = b"\x03\x03" + bytes(range(32)) + b"\0" + b"\x13\x01\0"
    greeting = b"\x02" + struct.pack(">I", len(chosen))[1:] + chosen
    record = b"\x16\x03\x03" + struct.pack(">H", len(greeting)) + greeting
    alert = b"\x15\x03\x03\x00\x02\x02\x28"
    begun = (server, (ANCHORS, chain), hello)
    write("worker_errands", "greeting", conversation(*begun, (ARRIVED, record), (MORE, b""), (CLOSED, b"")))
    write("worker_errands", "refused", conversation(*begun, (ARRIVED, alert), (CLOSED, b"")))
    write("worker_errands", "closed", conversation(*begun, (CLOSED, b"")))
    write("worker_errands", "nobody-believed", conversation(server, hello, hello))
    for name, version, kind, address in (("four", 0, 1, b"\xc0\0\x02\x07"), ("six", 1, 28, b"\x20\x01" + bytes(14))):
        asked = (QUESTION, struct.pack("<HB", 7, version) + b"a.example")
        label = b"\x01a\x07example\0"
        answer = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(address)) + address
        head = struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0)
        message = head + label + struct.pack(">HH", kind, 1) + answer
        cut = struct.pack(">HHHHHH", 7, 0x8380, 1, 0, 0, 0) + label + struct.pack(">HH", kind, 1)
        write("worker_errands", f"lookup-{name}", conversation(asked, (MESSAGE, message), asked, (MESSAGE, cut)))
    answers = {
        "ready": (READY, b"".join(bytes([step, 0, 0]) for step in range(40))),
        "taken": (TAKEN, b""),
        "step": (STEP, b"\x03" + struct.pack("<I", 6) + b"cipherplain"),
        "failed": (FAILED, b"\x03"),
        "addresses": (ADDRESSES, b"\0" + bytes(8)),
        "prepare": (PREPARE, struct.pack("<IQ", 0xFFFF, 32 << 20)),
    }
    for name, frame in answers.items():
        write("worker_errands", f"answer-{name}", conversation(frame))


def keep(check):
    """What was found by fuzzing stays; everything else is what was just made."""
    there = {
        seed
        for target in ("frame_from_jail", "frame_from_broker", "canonical_round_trip", "worker_errands")
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
