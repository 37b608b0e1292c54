#!/usr/bin/env bash
# cedarpy 4.12.2: policies that go through JSON and back come without their templates, and what was linked is a statement of its own.
#
# Guess, before it was run: `policies_to_json_str` writes Cedar's JSON form of a policy set, with `templates` and `templateLinks` where
# there are any, and `policies_from_json_str` ("Convert a json cedar policy file to a cedar policy file") gives back what is in it or
# raises the `ValueError` that its docstring promises.
# Seen: the way to JSON keeps the template; on the way back it is left out without an error, so that a file with nothing but templates
# becomes an empty one. A link comes back as a statement without its id and with the slots filled for good:
#
#   to JSON: 1 statement, 1 template
#   and back: permit(principal == User::"a", action, resource);
#   template alone: ''
#   linked: permit(principal == User::"b", action, resource in D::"x");
#
# For our users: a policy with templates for `policy grant` that was edited through this library can no longer be granted from, and
# what was granted can no longer be revoked. Templates are kept as Cedar text.
#
# Needs python3 with venv, and the Python package index. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check cedarpy==4.12.2
cat >"$place/probe.py" <<'PYTHON'
import json

from cedarpy import policies_from_json_str, policies_to_json_str

STATEMENT = 'permit(principal == User::"a", action, resource);'
TEMPLATE = "permit(principal == ?principal, action, resource in ?resource);"

text = policies_to_json_str(STATEMENT + TEMPLATE)
parsed = json.loads(text)
print(f"to JSON: {len(parsed['staticPolicies'])} statement, {len(parsed['templates'])} template")
print("and back:", policies_from_json_str(text))
print("template alone:", repr(policies_from_json_str(policies_to_json_str(TEMPLATE))))

linked = json.loads(policies_to_json_str(TEMPLATE))
(template,) = linked["templates"]
entity = {"?principal": {"type": "User", "id": "b"}, "?resource": {"type": "D", "id": "x"}}
values = {slot: {"__entity": name} for slot, name in entity.items()}
linked["templateLinks"] = [{"templateId": template, "newId": "link", "values": values}]
print("linked:", policies_from_json_str(json.dumps(linked)))
PYTHON
seen=$("$place/venv/bin/python" "$place/probe.py")
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
to JSON: 1 statement, 1 template
and back: permit(principal == User::"a", action, resource);
template alone: ''
linked: permit(principal == User::"b", action, resource in D::"x");
TEXT
