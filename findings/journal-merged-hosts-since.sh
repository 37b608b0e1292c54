#!/usr/bin/env bash
# systemd 252.39 (Debian 12): `journalctl --since` leaves out entries of a file in which systemd-journal-remote merged two hosts.
#
# Guess, before it was run: of one journal file with the entries of two hosts, `--since T` shows every entry that is not older than T,
# ordered or not, and no other.
# Seen: systemd-journal-remote appends what comes in the order in which it comes, and journalctl looks for the first entry by halving,
# as if the times rose. With host a (seconds 10 to 19) followed by host b (seconds 0 to 18) it shows, whole and then by time:
#
#   all: a10 a11 a12 a13 a14 a15 a16 a17 a18 a19 b0 b2 b4 b6 b8 b10 b12 b14 b16 b18
#   since 15: b16 b18
#   since 5: a10 a11 a12 a13 a14 a15 a16 a17 a18 a19 b0 b2 b4 b6 b8 b10 b12 b14 b16 b18
#   until 12: a10 a11 a12
#
# Five entries are missing from the second line, three of the third are too old, and seven are missing from the last. Whoever exports
# records of several hosts to a journal keeps a file for each host (`--split-mode=host`, or an output directory), which journalctl
# orders correctly; a question by time to a merged file is no evidence that there is nothing else.
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

python3 - >export <<'PYTHON'
def entry(second, boot, text):
    print(f"__REALTIME_TIMESTAMP={1700000000000000 + second * 1000000}")
    print(f"__MONOTONIC_TIMESTAMP={second * 1000000}")
    print(f"_BOOT_ID={boot * 32}")
    print(f"MESSAGE={text}\n")


for second in range(10, 20):
    entry(second, "a", f"a{second}")
for second in range(0, 20, 2):
    entry(second, "b", f"b{second}")
PYTHON
root/lib/systemd/systemd-journal-remote -o merged.journal - <export 2>/dev/null
ask() { root/bin/journalctl --file merged.journal -o cat "$@" | paste -sd' '; }
seen=$(
  echo "all: $(ask)"
  echo "since 15: $(ask --since=@1700000015)"
  echo "since 5: $(ask --since=@1700000005)"
  echo "until 12: $(ask --until=@1700000012)"
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
all: a10 a11 a12 a13 a14 a15 a16 a17 a18 a19 b0 b2 b4 b6 b8 b10 b12 b14 b16 b18
since 15: b16 b18
since 5: a10 a11 a12 a13 a14 a15 a16 a17 a18 a19 b0 b2 b4 b6 b8 b10 b12 b14 b16 b18
until 12: a10 a11 a12
TEXT
