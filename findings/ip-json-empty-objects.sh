#!/usr/bin/env bash
# iproute2 6.1.0 (Debian 12): what a filter of `ip -json link` leaves out stands in the list as an empty object.
#
# Guess, before it was run: where no interface is of the type, the answer is an empty list, as `ip -json address show to` gives it.
# Seen: there is one `{}` for each interface that was left out, so that the length of the list says how many interfaces there are:
#
#   addresses: []
#   links of type vlan: [{}]
#   links that are up: [{}]
#
# Programs that ask for `.[0].ifname` or for the length are told of an interface that does not exist. Our `ip_addresses` asks the kernel.
#
# Needs apt (bookworm, amd64), dpkg-deb, python3 and unshare with user namespaces. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
apt-get -qq -o APT::Sandbox::User=root download iproute2=6.1.0-3
dpkg-deb -x iproute2_*.deb root
# A network of its own has one interface, `lo`, which is down.
ask() { unshare --map-root-user --net root/sbin/ip -json "$@"; }
seen=$(
  echo "addresses: $(ask address show to 192.0.2.0/24 | python3 -c 'import json, sys; print(json.load(sys.stdin))')"
  echo "links of type vlan: $(ask link show type vlan | python3 -c 'import json, sys; print(json.load(sys.stdin))')"
  echo "links that are up: $(ask link show up | python3 -c 'import json, sys; print(json.load(sys.stdin))')"
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
addresses: []
links of type vlan: [{}]
links that are up: [{}]
TEXT
