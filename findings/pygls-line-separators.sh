#!/usr/bin/env bash
# pygls 2.1.1: a text has more lines than the Language Server Protocol says, so that positions behind U+2028 are off.
#
# Guess, before it was run: the protocol (3.17, "Text Documents") has three ends of lines, `\n`, `\r\n` and `\r`, and the library's lines
# end there; a change on line 1 of a text with U+2028 in line 0 is made on line 1.
# Seen: lines are those of Python's `str.splitlines`, which end at U+2028, U+2029, U+0085, form feeds and some more. An editor's change
# of the first character of its line 1 changes the middle of line 0 instead, and both sides go on with different texts:
#
#   lines: ['a\u2028', 'b\n', 'c\n']
#   after Z for the first character of line 1: 'a\u2028Z\nc\n'
#
# A comment with such a character (pasted from a word processor) is enough. Tests in which this library stands in for an editor or a
# server use texts with none of these.
#
# Needs python3.10 or later with venv, and the Python package index. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pygls==2.1.1 lsprotocol==2025.0.0
seen=$("$place/venv/bin/python" - <<'PYTHON'
from lsprotocol import types
from pygls.workspace import TextDocument

text = TextDocument("file:///site.cedar", source="a\u2028b\nc\n")
print("lines:", ascii(list(text.lines)))
first = types.Range(types.Position(1, 0), types.Position(1, 1))
text.apply_change(types.TextDocumentContentChangePartial(range=first, text="Z"))
print("after Z for the first character of line 1:", ascii(text.source))
PYTHON
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
lines: ['a\u2028', 'b\n', 'c\n']
after Z for the first character of line 1: 'a\u2028Z\nc\n'
TEXT
