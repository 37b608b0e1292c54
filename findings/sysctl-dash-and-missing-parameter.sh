#!/usr/bin/env bash
# procps-ng 4.0.2 (Debian 12): the dash of sysctl.conf(5) does not cover a parameter that does not exist.
#
# Guess, before it was run: "If a line begins with a single -, any attempts to set the value that fail will be ignored", so `sysctl -p`
# of a file with such a line says nothing and ends with 0, whatever the reason of the failure.
# Seen: the status is 0 only where the parameter exists and cannot be set; for one that is missing (another kernel, a module that is not
# loaded: what the dash is mostly written for) it is 1, and both are told:
#
#   -kernel.ostype = x: status 0, told: setting key "kernel.ostype": Invalid argument
#   -kernel.no_such_parameter = 1: status 1, told: cannot stat /proc/sys/kernel/no_such_parameter: No such file or directory
#
# `sysctl --system`, which our `load_system` runs, ends with 0 for both; a unit that loads one file with `-p` fails.
#
# Needs apt (bookworm, amd64) and dpkg-deb. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
version=4.0.2-3
apt-get -qq -o APT::Sandbox::User=root download "procps=2:$version"
dpkg-deb -x procps_*.deb root
seen=$(
  for line in '-kernel.ostype = x' '-kernel.no_such_parameter = 1'; do
    printf '%s\n' "$line" >one.conf
    status=0
    told=$(root/sbin/sysctl --load=one.conf 2>&1) || status=$?
    printf '%s: status %s, told: %s\n' "$line" "$status" "${told#sysctl: }"
  done
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
-kernel.ostype = x: status 0, told: setting key "kernel.ostype": Invalid argument
-kernel.no_such_parameter = 1: status 1, told: cannot stat /proc/sys/kernel/no_such_parameter: No such file or directory
TEXT
