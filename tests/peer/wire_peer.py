#!/usr/bin/env python3
"""Reads and writes the wire of rex-broker, knowing nothing but docs/wire.md.

    wire_peer.py docs/wire.md tests/golden/wire

What the document says in prose is written here by hand; its tables of limits, kinds, operations and types are read from it. Every
golden sample is decoded, compared with the value beside it, encoded again, and compared with its bytes; everything in
refused.json must be refused. Standard library only.
"""

import json
import pathlib
import re
import struct
import sys


class Refused(Exception):
    """The bytes break a rule of the document."""


class Reader:
    """Takes bytes from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("more announced than there is")
        self.at += count
        return self.data[self.at - count : self.at]

    def left(self):
        return len(self.data) - self.at


# Section 6: variable integers.
MARKS = {0xFB: 2, 0xFC: 4, 0xFD: 8}


def read_integer(reader):
    first = reader.take(1)[0]
    if first <= 250:
        return first
    if first not in MARKS:
        raise Refused("mark of an integer that is never valid")
    value = int.from_bytes(reader.take(MARKS[first]), "little")
    if len(write_integer(value)) != 1 + MARKS[first]:
        raise Refused("integer is not in its shortest form")
    return value


def write_integer(value):
    if value <= 250:
        return bytes([value])
    for mark, width in MARKS.items():
        if value < 1 << 8 * width:
            return bytes([mark]) + value.to_bytes(width, "little")
    raise Refused("integer too large")


# Section 6: the notation of types, parsed into tuples.
TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*|-?\d+|\.\.|[{}()<>\[\]|:,])")


class Notation:
    """Parses one definition."""

    def __init__(self, text):
        self.tokens = TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"cannot read {text!r}")

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def next(self, expected=None):
        token = self.tokens.pop(0)
        if expected is not None and token != expected:
            raise ValueError(f"{token!r} where {expected!r} belongs")
        return token

    def definition(self):
        if self.peek() is not None and self.peek().isdigit():
            variants = []
            while True:
                if int(self.next()) != len(variants):
                    raise ValueError("variants are not numbered from 0")
                variants.append((self.next(), self.content()))
                if self.peek() != "|":
                    break
                self.next()
            return ("enum", variants)
        return self.type()

    def content(self):
        """What a variant carries: nothing, one value, several values, or fields."""
        if self.peek() == "(":
            items = self.items()
            return items[0] if len(items) == 1 else ("tuple", items)
        return self.type() if self.peek() == "{" else None

    def items(self):
        self.next("(")
        items = []
        while self.peek() != ")":
            items.append(self.type())
            if self.peek() == ",":
                self.next()
        self.next(")")
        return items

    def type(self):
        if self.peek() == "{":
            self.next()
            fields = []
            while self.peek() != "}":
                name = self.next()
                self.next(":")
                fields.append((name, self.type()))
                if self.peek() == ",":
                    self.next()
            self.next()
            return ("struct", fields)
        if self.peek() == "(":
            return ("tuple", self.items())
        name = self.next()
        inner = None
        if name in ("list", "option"):
            self.next("<")
            inner = self.type()
            self.next(">")
        low = high = None
        if self.peek() == "[":
            self.next()
            if self.peek() != "..":
                low = int(self.next())
            self.next("..")
            high = int(self.next())
            self.next("]")
        return (name, inner, low, high)


# Section 6: names of files.
def name_bytes(text):
    escaped = lambda character: 0x10FF00 <= ord(character) <= 0x10FFFF
    return b"".join(bytes([ord(c) - 0x10FF00]) if escaped(c) else c.encode("utf-8") for c in text)


def is_name(text):
    name = name_bytes(text)
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name


UNSIGNED = {"u16": 16, "u32": 32, "u64": 64}


class Wire:
    """The protocol as the document has it."""

    def __init__(self, document):
        self.limits = {name: int(value) for name, value in re.findall(r"^\| `(MAX_\w+|HEADER_BYTES)` \| (\d+) \|", document, re.M)}
        kinds = re.findall(r"^\| 0x([0-9a-f]{2}) \| `(\w+)` \| \w+ \| \w+ \| [\w, ]+ \| (\w+) \|", document, re.M)
        self.kinds = {int(number, 16): (name, body) for number, name, body in kinds}
        rows = re.findall(r"^\| 0x([0-9a-f]{4}) \| `(\w+)` \| `([^`]+)` \| `([^`]+)` \|", document, re.M)
        self.operations = {int(number, 16): (name, request, reply) for number, name, request, reply in rows}
        self.replies = {name: reply for name, _, reply in self.operations.values()}
        block = document.split("<!-- generated: types -->\n```text\n")[1].split("```")[0]
        self.types = {}
        for line in block.splitlines():
            name, definition = line.split(" = ", 1)
            self.types[name] = Notation(definition).definition()

    def shape(self, text):
        return Notation(text).type()

    # Values.

    def read(self, shape, reader):
        kind = shape[0]
        if kind == "struct":
            return {name: self.read(inner, reader) for name, inner in shape[1]}
        if kind == "tuple":
            values = [self.read(inner, reader) for inner in shape[1]]
            return values or None
        if kind == "enum":
            number = read_integer(reader)
            if number >= len(shape[1]):
                raise Refused("variant without a number")
            name, content = shape[1][number]
            return name if content is None else {name: self.read(content, reader)}
        _, inner, low, high = shape
        if kind == "u8":
            return reader.take(1)[0]
        if kind in UNSIGNED:
            value = read_integer(reader)
            if value >= 1 << UNSIGNED[kind]:
                raise Refused("integer wider than its type")
            if (low is not None and value < low) or (high is not None and value > high):
                raise Refused("integer out of its range")
            return value
        if kind == "i64":
            value = read_integer(reader)
            return value // 2 if value % 2 == 0 else -(value // 2) - 1
        if kind == "f64":
            return struct.unpack("<d", reader.take(8))[0]
        if kind in ("bool", "option"):
            flag = reader.take(1)[0]
            if flag > 1:
                raise Refused("neither 0 nor 1")
            if kind == "bool":
                return flag == 1
            return self.read(inner, reader) if flag else None
        if kind in ("text", "name", "bytes", "list"):
            count = read_integer(reader)
            if high is not None and count > high:
                raise Refused("longer than its type")
            if kind == "list":
                if count > reader.left() and inner != ("tuple", []):
                    raise Refused("more values than bytes")
                return [self.read(inner, reader) for _ in range(count)]
            data = reader.take(count)
            if kind == "bytes":
                return list(data)
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Refused("text is not UTF-8") from error
            if kind == "name" and not is_name(text):
                raise Refused("not the name of an entry")
            return text
        return self.read(self.types[kind], reader)

    def write(self, shape, value):
        kind = shape[0]
        if kind == "struct":
            return b"".join(self.write(inner, value[name]) for name, inner in shape[1])
        if kind == "tuple":
            return b"".join(self.write(inner, item) for inner, item in zip(shape[1], value or []))
        if kind == "enum":
            name = value if isinstance(value, str) else next(iter(value))
            number = [variant for variant, _ in shape[1]].index(name)
            content = shape[1][number][1]
            return write_integer(number) + (b"" if content is None else self.write(content, value[name]))
        inner = shape[1]
        if kind == "u8":
            return bytes([value])
        if kind in UNSIGNED:
            return write_integer(value)
        if kind == "i64":
            return write_integer(2 * value if value >= 0 else -2 * value - 1)
        if kind == "f64":
            return struct.pack("<d", value)
        if kind == "bool":
            return bytes([value])
        if kind == "option":
            return b"\0" if value is None else b"\1" + self.write(inner, value)
        if kind in ("text", "name"):
            data = value.encode("utf-8")
            return write_integer(len(data)) + data
        if kind == "bytes":
            return write_integer(len(value)) + bytes(value)
        if kind == "list":
            return write_integer(len(value)) + b"".join(self.write(inner, item) for item in value)
        return self.write(self.types[kind], value)

    def read_exactly(self, shape, data):
        reader = Reader(data)
        value = self.read(shape, reader)
        if reader.left():
            raise Refused("bytes follow the value")
        return value

    # Section 8: calls and replies.

    def read_call(self, data):
        reader = Reader(data)
        count = reader.take(1)[0]
        if not 1 <= count <= self.limits["MAX_BATCH"]:
            raise Refused("number of requests")
        line = int.from_bytes(reader.take(4), "little")
        requests = []
        for _ in range(count):
            number = int.from_bytes(reader.take(2), "little")
            if number not in self.operations:
                raise Refused("number without a row")
            name, request, _ = self.operations[number]
            requests.append([name, self.read(self.shape(request), reader)])
        if reader.left():
            raise Refused("bytes follow the call")
        return {"line": line, "requests": requests}

    def write_call(self, value):
        data = bytes([len(value["requests"])]) + value["line"].to_bytes(4, "little")
        for name, fields in value["requests"]:
            number = next(number for number, row in self.operations.items() if row[0] == name)
            data += number.to_bytes(2, "little") + self.write(self.shape(self.operations[number][1]), fields)
        return data

    def read_reply(self, data, asked):
        reader = Reader(data)
        done = reader.take(1)[0]
        if done > len(asked):
            raise Refused("more replies than requests")
        replies = [self.read(self.shape(self.replies[name]), reader) for name in asked[:done]]
        failed = reader.take(1)[0]
        if failed > 1 or failed == (done == len(asked)):
            raise Refused("neither done nor failed")
        failure = self.read(self.types["Failure"], reader) if failed else None
        if reader.left():
            raise Refused("bytes follow the reply")
        return {"replies": replies, "failure": failure}

    def write_reply(self, value, asked):
        data = bytes([len(value["replies"])])
        for name, reply in zip(asked, value["replies"]):
            data += self.write(self.shape(self.replies[name]), reply)
        failure = value["failure"]
        return data + (b"\0" if failure is None else b"\1" + self.write(self.types["Failure"], failure))

    # Section 2: the frame.

    def read_frame(self, data, asked=None):
        if len(data) < self.limits["HEADER_BYTES"] or len(data) > self.limits["MAX_FRAME_BYTES"]:
            raise Refused("length of the frame")
        magic, version, number, sequence, length, reserved = struct.unpack("<2sBBIII", data[:16])
        if magic != b"RX" or version != 1 or reserved != 0 or number not in self.kinds or length != len(data) - 16:
            raise Refused("header")
        name, body = self.kinds[number]
        data = data[16:]
        if body == "call":
            content = self.read_call(data)
        elif body == "reply":
            content = self.read_reply(data, asked)
        elif body == "nothing":
            content = self.read_exactly(("tuple", []), data)
        else:
            content = self.read_exactly(self.types[body], data)
        return {"kind": name, "sequence": sequence, "body": content}

    def write_frame(self, value, asked=None):
        number = next(number for number, kind in self.kinds.items() if kind[0] == value["kind"])
        body, content = self.kinds[number][1], value["body"]
        if body == "call":
            data = self.write_call(content)
        elif body == "reply":
            data = self.write_reply(content, asked)
        elif body == "nothing":
            data = b""
        else:
            data = self.write(self.types[body], content)
        return struct.pack("<2sBBIII", b"RX", 1, number, value["sequence"], len(data), 0) + data


def check_sample(wire, sample):
    data, asked = bytes.fromhex(sample["bytes"]), sample.get("in_reply_to")
    if "type" not in sample:
        value = wire.read_frame(data, asked)
        written = wire.write_frame(value, asked)
    else:
        shape = wire.shape(sample["type"])
        value = wire.read_exactly(shape, data)
        written = wire.write(shape, value)
    if value != sample["value"]:
        return f"read as {value}"
    if written != data:
        return f"written as {written.hex(' ')}"
    return None


def check_refused(wire, sample):
    data = bytes.fromhex(sample["bytes"])
    try:
        if sample["type"] == "Frame":
            wire.read_frame(data)
        elif sample["type"] == "Call":
            wire.read_call(data)
        else:
            wire.read_exactly(wire.shape(sample["type"]), data)
    except Refused:
        return None
    return "not refused"


def main(document, folder):
    wire = Wire(pathlib.Path(document).read_text(encoding="utf-8"))
    counts, problems = {"sample": 0, "refused": 0}, []
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        for sample in json.loads(path.read_text(encoding="utf-8")):
            is_refused = "refused" in sample
            check = check_refused if is_refused else check_sample
            try:
                problem = check(wire, sample)
            except (Refused, KeyError, ValueError) as error:
                problem = f"{type(error).__name__}: {error}"
            counts["refused" if is_refused else "sample"] += 1
            if problem:
                problems.append(f"{path.name}: {sample.get('sample') or sample['refused']}: {problem}")
    for problem in problems:
        print(problem)
    print(f"{counts['sample']} samples read and written, {counts['refused']} others refused, {len(problems)} problems")
    return 1 if problems or not counts["sample"] or not counts["refused"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
