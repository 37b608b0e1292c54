#!/usr/bin/env bash
# systemd 252.39 (Debian 12): a journal entry keeps one of several equal values of one field.
#
# Guess, before it was run: a field may stand in an entry several times, and as many values come out as went in, in their order.
# The export format says that a field may occur more than once and nothing about equal ones.
# Seen: equal pairs of name and value are one object of the file, and an entry names each object once. Of three values two are left,
# and the list of permits that decided three questions no longer says which of them decided twice:
#
#   in: RULE=allow RULE=deny RULE=allow
#   out: allow deny
#
# Lists whose length or order means something go into one field (as JSON), not into repeated ones.
#
# Needs apt (bookworm, amd64), dpkg-deb and python3. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
version=252.39-1~deb12u2
for package in systemd libsystemd-shared systemd-journal-remote; do
  apt-get -qq -o APT::Sandbox::User=root download "$package=$version"
done
apt-get -qq -o APT::Sandbox::User=root download libmicrohttpd12=0.9.75-6
for archive in *.deb; do dpkg-deb -x "$archive" root; done
export LD_LIBRARY_PATH=$PWD/root/usr/lib/x86_64-linux-gnu:$PWD/root/usr/lib/x86_64-linux-gnu/systemd:$PWD/root/lib/x86_64-linux-gnu/systemd:$PWD/root/lib/systemd

printf '%s\n' __REALTIME_TIMESTAMP=1700000000000000 __MONOTONIC_TIMESTAMP=1000 _BOOT_ID=0123456789abcdef0123456789abcdef \
  MESSAGE=decided RULE=allow RULE=deny RULE=allow '' >export
root/lib/systemd/systemd-journal-remote -o one.journal - <export 2>/dev/null
seen=$(
  echo "in: $(grep ^RULE export | paste -sd' ')"
  echo "out: $(root/bin/journalctl --file one.journal -o json | python3 -c 'import json, sys; print(*json.load(sys.stdin)["RULE"])')"
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
in: RULE=allow RULE=deny RULE=allow
out: allow deny
TEXT
