#!/usr/bin/env bash
# Sabotages the engine and what it knows of objects in every way cargo-mutants knows, and counts how often their tests notice.
# Arguments go to cargo-mutants, such as `-f host/engine/src/resume.rs` for one file, or `--iterate` for what was missed last time;
# then the score is of that part alone, so it is neither kept nor judged.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/mutants
least=90

# The pinned version is built once into the target directory.
version=27.1.0
if ! PATH=$target/tools/bin:$PATH cargo mutants --version 2>/dev/null | grep -q " $version$"; then
  cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" cargo-mutants --version "$version"
fi

mkdir -p "$out"
# Each copy of the sources builds in a target directory of its own, without debug information, and a failed property is not shrunk.
ended=0
env -u CARGO_TARGET_DIR PATH="$target/tools/bin:$PATH" CARGO_PROFILE_DEV_DEBUG=0 PROPTEST_MAX_SHRINK_ITERS=0 \
  cargo mutants --package vllm-rollback-engine --package vllm-rollback-objects --jobs "${JOBS:-1}" --output "$out" --colors never --no-times "$@" || ended=$?
case $ended in
  0 | 2 | 3) ;; # all were caught; some were missed; some ran into the time limit
  *) exit "$ended" ;;
esac

count() { wc -l <"$out/mutants.out/$1.txt"; }
caught=$(count caught) missed=$(count missed) timeout=$(count timeout) unviable=$(count unviable)
mutants=$((caught + missed + timeout + unviable))
# A mutant that does not compile proves nothing; one that hangs was noticed.
viable=$((mutants - unviable))
score=$(awk -v noticed=$((caught + timeout)) -v all="$viable" 'BEGIN { printf "%.1f", all ? 100 * noticed / all : 0 }')
cat "$out/mutants.out/missed.txt" >&2
echo "$mutants mutants, $caught caught, $missed missed, $unviable unviable, $timeout timeouts: score $score %"
[ $# -eq 0 ] || exit 0
printf '{"mutants":%d,"caught":%d,"missed":%d,"unviable":%d,"timeout":%d,"score":%s}\n' \
  "$mutants" "$caught" "$missed" "$unviable" "$timeout" "$score" >"$out/result.json"
awk -v score="$score" -v least="$least" 'BEGIN { exit score < least }' || { echo "the score is below $least %" >&2; exit 1; }
