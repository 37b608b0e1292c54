#!/usr/bin/env python3
"""Writes the seeds of the three frame targets from the golden files, and those of what workers, servers, the bus, the kernel
and issuers of tokens say; run in the root, as .ci/regenerate does it.

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
    outside()
    delegations()
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


def bus(kind, fields, signature, body):
    """A message of D-Bus: fields are code, type and text."""
    head = b""
    for code, letter, text in fields + ([(8, "g", signature)] if signature else []):
        head += bytes(-len(head) % 8) + bytes([code, 1]) + letter.encode() + b"\0"
        head += bytes([len(text)]) if letter == "g" else struct.pack("<I", len(text))
        head += text.encode() + b"\0"
    fixed = b"l" + bytes([kind, 1, 1]) + struct.pack("<III", len(body), 1, len(head))
    return fixed + head + bytes(-len(head) % 8) + body


def outside():
    """What servers, the bus and the kernel say, and URLs."""
    answers = {
        "length": b"\x07HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "chunked": b"\x01HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx: y\r\n\r\n",
        "until-close": b"\x02HTTP/1.0 404 Not Found\n\nhello",
        "redirect": b"\x03HTTP/1.1 302 Found\r\nlocation: ../b?c#d\r\ncontent-length: 0\r\n\r\n",
        "none": b"\x10HTTP/1.1 204 No Content\r\n\r\n",
    }
    for name, answer in answers.items():
        write("http_answers", name, answer)

    label, other = b"\x01a\x07example\0", b"\x01b\xc0\x0e"
    def message(flags, kind, *records):
        head = struct.pack(">HHHHHH", 7, flags, 1, len(records), 0, 0)
        return head + label + struct.pack(">HH", kind, 1) + b"".join(records)
    def record(owner, kind, content):
        return owner + struct.pack(">HHIH", kind, 1, 60, len(content)) + content
    write("name_answers", "four", message(0x8180, 1, record(b"\xc0\x0c", 1, b"\xc0\0\x02\x07")))
    write("name_answers", "six", message(0x8180, 28, record(b"\xc0\x0c", 28, b"\x20\x01" + bytes(14))))
    alias = record(b"\xc0\x0c", 5, other)
    write("name_answers", "alias", message(0x8180, 1, alias, record(other, 1, b"\xc0\0\x02\x07")))
    write("name_answers", "circle", message(0x8180, 1, alias, record(other, 5, b"\xc0\x0c")))
    write("name_answers", "truncated", message(0x8380, 1, alias[:-2]))
    write("name_answers", "refused", message(0x8185, 1))

    urls = ["http://a.example/", "HTTPS://A.Example.:0443/x/../%41%2f?q=%20#part", "http://[::ffff:7f00:1]:80/./b",
            "http://127.0.0.1:8080/%2e%2e/a", "http://user@a/", "http://0x7f.1/", "ftp://a/", "//b/c", "../d"]
    for number, url in enumerate(urls):
        write("url_forms", f"url-{number}", url.encode())

    reply = [(7, "s", ":1.2")]
    text = struct.pack("<I", 12) + b"good.service\0"
    write("bus_messages", "texts", bus(2, reply, "s", text))
    write("bus_messages", "variant", bus(2, reply, "v", b"\x01s\0\0" + text))
    write("bus_messages", "error", bus(3, reply + [(4, "s", "org.x.NoSuchUnit")], "s", text))
    write("bus_messages", "signal", bus(4, reply + [(3, "s", "JobRemoved")], "uos", bytes(4) + struct.pack("<I", 2) + b"/a\0\0" + text))
    entry = struct.pack("<I", 2) + b"Id\0" + b"\x01s\0" + bytes(2) + text
    entry += bytes(-len(entry) % 8) + struct.pack("<I", 7) + b"MainPID\0" + b"\x01u\0" + bytes(1) + struct.pack("<I", 4711)
    write("bus_messages", "properties", struct.pack("<I", len(entry)) + bytes(4) + entry)

    tcp = "   0: 0100007F:0016 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 4242 1 0 100 0\n"
    six = "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0\n"
    write("kernel_tables", "tcp", ("  sl  local_address rem_address   st\n" + tcp).encode())
    write("kernel_tables", "tcp6", ("  sl  local_address rem_address   st\n" + six).encode())
    write("kernel_tables", "unix", b"Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 10000 0001 01 300 /run/a\nb\n0: 3 0 0 0002 03 301\n")
    write("kernel_tables", "mounts", b"/dev/sda1 /srv/a\\040b ext4 rw,size=1,size=2 0 0\nserver:/x /mnt nfs4 rw 0 0\n")
    write("kernel_tables", "disks", b"   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 0 0\n 253 0 dm-0 1\n")


def delegations():
    """Tokens of another library, the claims in each, and the keys."""
    made_by = json.loads(pathlib.Path("broker/delegation/tests/peer/tokens.json").read_text(encoding="utf-8"))
    write("delegation_tokens", "keys", json.dumps(made_by["jwks"], separators=(",", ":")).encode())
    for name, token in made_by["tokens"].items():
        name = "".join(c if c.isalnum() else "-" for c in name)
        write("delegation_tokens", name, token["token"].encode())
        write("delegation_tokens", f"{name}-claims", json.dumps(token["claims"], separators=(",", ":")).encode())


def keep(check):
    """What was found by fuzzing stays; everything else is what was just made."""
    there = {
        seed
        for target in {seed.parent.name for seed in made}
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
