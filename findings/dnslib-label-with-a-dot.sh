#!/usr/bin/env bash
# dnslib 0.9.26: a label that holds a dot is printed as two labels, and the escaped spelling cannot be read.
#
# Guess, before it was run: a label may hold any byte (RFC 2181, section 11), the text form writes a dot within one as `\.` (RFC 1035,
# section 5.1), and reading that text gives the name that was written.
# Seen: on the wire the label survives; in text the dot stands bare, so that two different names look alike and reading the text gives
# the other one. The escaped spelling is split at the escaped dot, and the backslash becomes part of the first label:
#
#   wire: same bytes, labels [b'a.b', b'example']
#   text: a.b.example.
#   read back: [b'a', b'b', b'example']
#   escaped: [b'a\\', b'b', b'example']
#
# Names such as those of service instances (`My printer, 2nd. floor._ipp._tcp.local`) have such labels. Who compares names by this
# text takes two names for one; ours writes such a dot as `\046` (`jail/dns/src/lib.rs`).
#
# Needs python3 with venv, and the Python package index. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check dnslib==0.9.26
seen=$("$place/venv/bin/python" - <<'PYTHON'
from dnslib import DNSLabel, DNSQuestion, DNSRecord, QTYPE

packed = DNSRecord(q=DNSQuestion(DNSLabel([b"a.b", b"example"]), QTYPE.A)).pack()
read = DNSRecord.parse(packed)
name = read.q.qname
print(f"wire: {'same' if read.pack() == packed else 'other'} bytes, labels {list(name.label)}")
print(f"text: {name}")
print(f"read back: {list(DNSLabel(str(name)).label)}")
print(f"escaped: {list(DNSLabel(chr(92).join(['a', '.b.example'])).label)}")
PYTHON
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
wire: same bytes, labels [b'a.b', b'example']
text: a.b.example.
read back: [b'a', b'b', b'example']
escaped: [b'a\\', b'b', b'example']
TEXT
