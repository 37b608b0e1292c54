#!/usr/bin/env bash
# auditd 3.0.9 (Debian 12): `ausearch -i` shows a login user that is not set as root.
#
# Guess, before it was run: systemd writes `auid=n/a` into its access decisions where the caller has no login user, and `-i` shows it
# as it shows 4294967295 elsewhere: `unset`.
# Seen: the text is read as a number, and what is no number is 0. In one line of the output the login user of the record is unset, and
# that of the message within is root:
#
#   auid=unset
#   auid=root uid=unknown(81)
#
# A report that is made from interpreted output names somebody who was not there; searching (`-ul 0`) does not find the record.
# Whoever judges by login users reads the raw form.
#
# Needs apt (bookworm, amd64) and dpkg-deb, and no user 81 on the host. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
for package in auditd libaudit1 libauparse0; do
  apt-get -qq -o APT::Sandbox::User=root download "$package=1:3.0.9-1"
done
apt-get -qq -o APT::Sandbox::User=root download libcap-ng0=0.8.3-1+b3
for archive in *.deb; do dpkg-deb -x "$archive" root; done
export LD_LIBRARY_PATH=$PWD/root/lib/x86_64-linux-gnu:$PWD/root/usr/lib/x86_64-linux-gnu

printf '%s' 'type=USER_AVC msg=audit(1700000003.123:104): pid=1 uid=0 auid=4294967295 ses=4294967295' \
  " subj=system_u:system_r:init_t:s0 msg='avc:  denied  { start } for auid=n/a uid=81 gid=81" \
  ' path="/usr/lib/systemd/system/web.service" cmdline="" scontext=system_u:system_r:web_t:s0' \
  ' tcontext=system_u:object_r:unit_t:s0 tclass=service permissive=0 exe="/usr/lib/systemd/systemd" sauid=0' \
  " hostname=? addr=? terminal=?'" >audit.log
echo >>audit.log
seen=$(root/sbin/ausearch -if audit.log -i 2>/dev/null | grep -oE '[ ]auid=[^ ]+( uid=unknown\(81\))?' | sed 's/^ //')
found=$(root/sbin/ausearch -if audit.log --raw -ul 0 2>/dev/null || true)
seen+=$'\n'"found by -ul 0: ${found:-nothing}"
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
auid=unset
auid=root uid=unknown(81)
found by -ul 0: nothing
TEXT
