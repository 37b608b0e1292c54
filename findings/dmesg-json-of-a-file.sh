#!/usr/bin/env bash
# util-linux 2.38.1 (Debian 12): `dmesg --json` of a file puts all later messages into each message.
#
# Guess, before it was run: of a saved kernel log, `dmesg --json --file F` gives one object for each line, with what the plain form
# shows behind the time.
# Seen: the plain form is right; in JSON a message ends where the file ends, and the last one has the line feed. Of two lines the first
# object says both:
#
#   plain: ['[    1.000000] first', '[    2.000000] second']
#   json: 6 'first\n<3>[    2.000000] second\n'
#   json: 3 'second\n'
#
# Whoever counts or searches saved messages in this form finds an error in every line before it. Our `dmesg` reads `/dev/kmsg`, where
# each record is a read of its own.
#
# Needs apt (bookworm, amd64), dpkg-deb and python3. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
apt-get -qq -o APT::Sandbox::User=root download util-linux=2.38.1-5+deb12u3
dpkg-deb -x util-linux_*.deb root
printf '<6>[    1.000000] first\n<3>[    2.000000] second\n' >kernel.log
cat >probe.py <<'PYTHON'
import json
import subprocess


def dmesg(*arguments):
    return subprocess.run(["root/bin/dmesg", *arguments, "--file", "kernel.log"], capture_output=True, check=True, text=True).stdout


print("plain:", dmesg().splitlines())
for entry in json.loads(dmesg("--json"))["dmesg"]:
    print("json:", entry["pri"], repr(entry["msg"]))
PYTHON
seen=$(python3 probe.py)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
plain: ['[    1.000000] first', '[    2.000000] second']
json: 6 'first\n<3>[    2.000000] second\n'
json: 3 'second\n'
TEXT
