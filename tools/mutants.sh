#!/usr/bin/env bash
# Mutates the engine and host/objects in every way cargo-mutants knows, and counts how often the tests of each notice.
# SHARD=3/16 takes every sixteenth mutant, the same each time. Arguments go to cargo-mutants, such as `-f host/engine/src/abort.rs` for one
# file, or `--iterate` for what was missed last time. The score of such a part is printed, but neither kept nor judged.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/mutants
least=90
[ -z "${SHARD:-}" ] || set -- --shard "$SHARD" --sharding round-robin "$@"

# The pinned version is built once into the target directory.
version=27.1.0
if ! PATH=$target/tools/bin:$PATH cargo mutants --version 2>/dev/null | grep -q " $version$"; then
  cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" cargo-mutants --version "$version"
fi

mkdir -p "$out"
# Each copy of the sources builds in a target directory of its own, without debug information.
# Random tests get no cases, so that the score does not hang on luck: what they find has to be a sentence of its own, too.
ended=0
env -u CARGO_TARGET_DIR PATH="$target/tools/bin:$PATH" CARGO_PROFILE_DEV_DEBUG=0 PROPTEST_CASES=0 \
  cargo mutants --package vllm-rollback-engine --package vllm-rollback-objects --jobs "${JOBS:-1}" --output "$out" --colors never --no-times "$@" || ended=$?
case $ended in
  0 | 2 | 3) ;; # all were caught; some were missed; some ran into the time limit
  *) exit "$ended" ;;
esac

cat "$out/mutants.out/missed.txt" >&2
results=() low=()
for crate in host/engine host/objects; do
  count() { grep -c "^$crate/" "$out/mutants.out/$1.txt" || true; }
  caught=$(count caught) missed=$(count missed) timeout=$(count timeout) unviable=$(count unviable)
  # A mutant that does not compile proves nothing; one that hangs was noticed.
  viable=$((caught + missed + timeout))
  score=$(awk -v noticed=$((caught + timeout)) -v all="$viable" 'BEGIN { printf "%.1f", all ? 100 * noticed / all : 0 }')
  echo "$crate: $((viable + unviable)) mutants, $caught caught, $missed missed, $unviable unviable, $timeout timeouts: score $score %"
  results+=("$(printf '"%s":{"mutants":%d,"caught":%d,"missed":%d,"unviable":%d,"timeout":%d,"score":%s}' \
    "$crate" "$((viable + unviable))" "$caught" "$missed" "$unviable" "$timeout" "$score")")
  awk -v score="$score" -v least="$least" 'BEGIN { exit score < least }' || low+=("$crate")
done
[ $# -eq 0 ] || exit 0
(IFS=,; echo "{${results[*]}}") >"$out/result.json"
[ ${#low[@]} -eq 0 ] || { echo "the score of ${low[*]} is below $least %" >&2; exit 1; }
