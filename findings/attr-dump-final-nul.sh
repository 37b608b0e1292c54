#!/usr/bin/env bash
# attr 2.5.1 (Debian 12): an extended attribute whose value ends in a NUL byte loses it on the way through a dump.
#
# Guess, before it was run: `getfattr --dump` encodes every value so that `setfattr --restore` gives back its bytes, as it does for line
# feeds, quotes and backslashes, and as its manual page promises for the encodings.
# Seen: a value of printable bytes with one NUL behind them passes for text, and the NUL is left out of it; restoring has nothing to put
# there. In the middle, or twice at the end, a NUL turns the encoding to base64, and everything comes back:
#
#   user.once: 61 00 -> user.once="a" -> 61
#   user.twice: 61 00 00 -> user.twice=0sYQAA -> 61 00 00
#   user.within: 61 00 62 -> user.within=0sYQBi -> 61 00 62
#
# Labels that the kernel stores with their final NUL (security.selinux) differ from what was restored. `getfattr -e hex` keeps them.
# Our `cp` and `mv` copy values as bytes.
#
# Needs apt (bookworm, amd64), dpkg-deb, python3, and a temporary directory with user attributes. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
version=2.5.1-4
apt-get -qq -o APT::Sandbox::User=root download "attr=1:$version"
dpkg-deb -x attr_*.deb root
touch file
cat >probe.py <<'PYTHON'
import os
import subprocess

values = {"user.once": b"a\0", "user.twice": b"a\0\0", "user.within": b"a\0b"}
for name, value in values.items():
    os.setxattr("file", name, value)
dump = subprocess.run(["root/usr/bin/getfattr", "--dump", "file"], capture_output=True, check=True).stdout
for name in values:
    os.removexattr("file", name)
subprocess.run(["root/usr/bin/setfattr", "--restore=-"], input=dump, check=True)
lines = {line.split("=", 1)[0]: line for line in dump.decode().splitlines() if "=" in line}
for name, value in values.items():
    print(f"{name}: {value.hex(' ')} -> {lines[name]} -> {os.getxattr('file', name).hex(' ')}")
PYTHON
seen=$(python3 probe.py)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
user.once: 61 00 -> user.once="a" -> 61
user.twice: 61 00 00 -> user.twice=0sYQAA -> 61 00 00
user.within: 61 00 62 -> user.within=0sYQBi -> 61 00 62
TEXT
