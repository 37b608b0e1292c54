#!/usr/bin/env bash
# cyclonedx-python-lib 11.12.0: a bill of materials that is read and written again has a serial number and a time that it did not have.
#
# Guess, before it was run: `Bom.from_json` of a document without `serialNumber` and `metadata` (both are optional in CycloneDX 1.6) and
# the writer for 1.6 give the same document in another order; two equal properties stay two.
# Seen: reading makes up a random serial number and today's time, as if a new bill were made, so that two runs over one file differ in
# both; of equal properties one is left:
#
#   serialNumber: absent -> differs from run to run: True
#   metadata: absent -> ['timestamp']
#   properties: ['a', 'a', 'b'] -> ['a', 'b']
#
# A bill that has to be the same byte for byte in two builds is not sent through it, or has both set first.
#
# Needs python3 (3.9 or later) with venv, and the Python package index. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check cyclonedx-python-lib==11.12.0
seen=$("$place/venv/bin/python" - <<'PYTHON'
import json

from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6

given = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "components": [{"type": "library", "bom-ref": "r", "name": "rhai", "version": "1.27.0"}],
    "properties": [{"name": "k", "value": value} for value in "aab"],
}
first, second = (json.loads(JsonV1Dot6(Bom.from_json(given)).output_as_string()) for _ in range(2))
print("serialNumber: absent -> differs from run to run:", first["serialNumber"] != second["serialNumber"])
print("metadata: absent ->", list(first["metadata"]))
print("properties:", [each["value"] for each in given["properties"]], "->", [each["value"] for each in first["properties"]])
PYTHON
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
serialNumber: absent -> differs from run to run: True
metadata: absent -> ['timestamp']
properties: ['a', 'a', 'b'] -> ['a', 'b']
TEXT
