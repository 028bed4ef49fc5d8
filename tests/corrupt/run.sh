#!/usr/bin/env bash
# Builds samebits_corrupt with AddressSanitizer and UndefinedBehaviorSanitizer and tries every
# truncation, bit flip and lying header of the tiny models' golden streams, after decoding all golden
# streams as they are. Any finding ends it with 1.
#   tests/corrupt/run.sh [STRIDE]       STRIDE > 1 samples the damage of large streams
set -euo pipefail
cd "$(dirname "$0")/../.."

build=build/corrupt
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 \
  -DSAMEBITS_TESTS=ON -DSAMEBITS_CUDA=OFF -DSAMEBITS_SANITIZE=address,undefined > /dev/null
rm -f "$build"/*.fine
cmake --build "$build" -j "${JOBS:-2}" --target samebits_corrupt samebits_corrupt_series samebits_golden |
  tail -n 1
stride=${1:-1}
try_target() {
  export SAMEBITS_TARGET=$1 SAMEBITS_THREADS=1
  echo "== target $1"
  "$build/tests/golden/samebits_golden" check tests/golden/*/manifest.txt
  for folder in tiny values; do
    "$build/tests/corrupt/samebits_corrupt" "tests/golden/$folder/manifest.txt" "$stride"
  done
  "$build/tests/corrupt/samebits_corrupt_series" tests/golden/series/manifest.txt
}

# The targets at the same time, a thread each.
targets=$("$build/tests/golden/samebits_golden" targets)
for target in $targets; do
  (
    try_target "$target" > "$build/$target.log" 2>&1
    touch "$build/$target.fine"
  ) &
done
wait
failed=0
for target in $targets; do
  cat "$build/$target.log"
  [[ -e $build/$target.fine ]] || failed=1
done
exit "$failed"
