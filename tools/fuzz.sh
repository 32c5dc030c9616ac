#!/usr/bin/env bash
# libFuzzer on each target of tests/fuzz, for FUZZ_SECONDS each (60), or on the targets that are named.
# What it finds worth knowing gathers in target/fuzz/corpus; `KEEP=n` takes n inputs, small and large, of the smallest set that
# covers the same into tests/fuzz/corpus, which `make test` replays. An input that breaks a promise is left in target/fuzz/broken, and the run fails.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/fuzz
seconds=${FUZZ_SECONDS:-60}
export PATH=$target/tools/bin:$PATH

command -v c++ >/dev/null || { echo "error: libFuzzer needs a C++ compiler: apt-get install g++" >&2; exit 1; }
# The pinned version is built once into the target directory.
version=0.13.2
if ! cargo-fuzz --version 2>/dev/null | grep -q " $version$"; then
  cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" cargo-fuzz --version "$version"
fi

# No sanitizer: the code is safe Rust, so there is nothing for one to see, and the stable toolchain does.
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list --fuzz-dir tests/fuzz/fuzz)

cargo fuzz build --fuzz-dir tests/fuzz/fuzz --sanitizer none --target-dir "$out/build"
programs=$out/build/$(rustc -vV | sed -n 's/^host: //p')/release
failed=()
for name in "${targets[@]}"; do
  kept=tests/fuzz/corpus/$name
  mkdir -p "$out/corpus/$name" "$out/broken/$name"
  echo "==> $name for $seconds s" >&2
  "$programs/$name" "$out/corpus/$name" "$kept" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 -artifact_prefix="$out/broken/$name/" >"$out/$name.log" 2>&1 ||
    failed+=("$name")
  grep -E "stat::number_of_executed_units|panicked|ERROR|SUMMARY" "$out/$name.log" >&2 || true
  if [ -n "${KEEP:-}" ]; then
    rm -rf "$out/least/$name" && mkdir -p "$out/least/$name"
    "$programs/$name" "$out/least/$name" "$kept" "$out/corpus/$name" -set_cover_merge=1 -max_len=4096 >>"$out/$name.log" 2>&1
    # From the smallest to the largest, since small ones alone do not reach far.
    find "$out/least/$name" -type f -printf '%s %p\n' | sort -n |
      awk -v n="$KEEP" '{ path[NR] = $2 } END { for (i = 0; i < n && i < NR; i++) print path[int(i * NR / (n < NR ? n : NR)) + 1] }' | while read -r input; do
      # What has a name already is not kept twice.
      sha1sum "$kept"/* | grep -q "^$(sha1sum <"$input" | cut -c1-40)" || cp -n "$input" "$kept/"
    done
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "broken: ${failed[*]}; see $out/broken and $out/NAME.log" >&2; exit 1; }
echo "${#targets[@]} targets, $seconds s each: nothing broken"
