#!/usr/bin/env bash
# Runs every command of docs/fuzzing.md, each campaign for FUZZ_SECONDS (1 when nothing is said), and demands that no
# seed has changed by it: what a campaign finds goes to the corpus, and a seed is made by a person.
set -euo pipefail
cd "$(dirname "$0")/.."
export FUZZ_SECONDS=${FUZZ_SECONDS:-1}

# The counts of so short a run are no campaign: page and tally are put back.
kept=$(mktemp -d)
cp -p docs/fuzzing.md fuzz/tally.tsv "$kept"
restore() {
  cp -p "$kept/fuzzing.md" docs/fuzzing.md
  cp -p "$kept/tally.tsv" fuzz/tally.tsv
  rm -r "$kept"
}
trap restore EXIT

before=$(git status --porcelain -- fuzz/seeds)
# Each block in a shell of its own, as somebody types it in the root; the tools are there already.
blocks=$(sed -n '/^```sh$/,/^```$/p' docs/fuzzing.md | grep -c '^```sh$')
[ "$blocks" -ge 3 ] || { echo "only $blocks blocks of commands were found"; exit 1; }
for number in $(seq "$blocks"); do
  block=$(awk -v wanted="$number" '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == wanted' \
    "$kept/fuzzing.md" | grep -v '^cargo install' || true)
  [ -n "$block" ] || continue
  printf -- '-- %s\n' "$block"
  bash -euo pipefail -c "$block" </dev/null
done
after=$(git status --porcelain -- fuzz/seeds)
[ "$before" = "$after" ] || { printf 'changed by the commands of the page:\n%s\n' "$after"; exit 1; }
