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
cmake --build "$build" -j "${JOBS:-2}" --target samebits_corrupt samebits_corrupt_series samebits_golden |
  tail -n 1
for target in $("$build/tests/golden/samebits_golden" targets); do
  echo "== target $target"
  SAMEBITS_TARGET=$target "$build/tests/golden/samebits_golden" check tests/golden/*/manifest.txt
  for folder in tiny values; do
    SAMEBITS_TARGET=$target SAMEBITS_THREADS=1 \
      "$build/tests/corrupt/samebits_corrupt" "tests/golden/$folder/manifest.txt" "${1:-1}"
  done
  SAMEBITS_TARGET=$target SAMEBITS_THREADS=1 \
    "$build/tests/corrupt/samebits_corrupt_series" tests/golden/series/manifest.txt
done
