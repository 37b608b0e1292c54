#!/usr/bin/env bash
# @cedar-policy/cedar-wasm 4.13.0: half of Cedar's integers cannot be given from JavaScript, and the nearest one is taken instead.
#
# Guess, before it was run: Cedar's Long has 64 bits, so a context takes a BigInt, and what does not fit is an answer of type `failure`,
# as for 1.5.
# Seen: a BigInt ends in an exception of the glue code, not in an answer; a number has been rounded before Cedar sees it, so that a
# policy for 9007199254740992 permits the request of 9007199254740993, and the one for 9007199254740993 can never permit:
#
#   1n: Error: called `Result::unwrap_throw()` on an `Err` value
#   1.5: failure
#   9007199254740993 under a policy for ...992: allow
#   9007199254740993 under a policy for ...993: deny
#
# Inode and device numbers, and sizes of sparse files, are that large. Whoever evaluates policies of ours in JavaScript compares them
# as texts or leaves them out; the broker itself uses the crate, where Long is exact.
#
# Needs node and the npm registry. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @cedar-policy/cedar-wasm@4.13.0
cat >probe.cjs <<'JAVASCRIPT'
const cedar = require('@cedar-policy/cedar-wasm/nodejs');

function answer(size, wanted) {
  return cedar.isAuthorized({
    principal: { type: 'User', id: 'ana' },
    action: { type: 'Action', id: 'read' },
    resource: { type: 'File', id: '/var/log/app.log' },
    context: { size },
    policies: { staticPolicies: `permit (principal, action, resource) when { context.size == ${wanted} };` },
    entities: [],
  });
}

try {
  console.log(`1n: ${answer(1n, 1).type}`);
} catch (error) {
  console.log(`1n: ${error}`);
}
console.log(`1.5: ${answer(1.5, 1).type}`);
for (const last of [2, 3]) {
  const given = answer(9007199254740993, `900719925474099${last}`);
  console.log(`9007199254740993 under a policy for ...99${last}: ${given.response.decision}`);
}
JAVASCRIPT
seen=$(node probe.cjs)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
1n: Error: called `Result::unwrap_throw()` on an `Err` value
1.5: failure
9007199254740993 under a policy for ...992: allow
9007199254740993 under a policy for ...993: deny
TEXT
