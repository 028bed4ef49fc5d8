#!/usr/bin/env bash
# Builds samebits_golden in many ways and compares what each build decodes and encodes with the golden
# manifests: compilers, optimization, sanitizers, targets, thread counts, other architectures under
# emulation, big-endian among them. Prints a table; any difference or failed build ends it with 1.
#   tests/portable/run.sh [ROW...]      rows as in the table below, all of them by default
# A row whose compiler or emulator is not installed is skipped, and the last line counts those.
# SAMEBITS_REQUIRE_ALL=1 makes a skipped row a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

# name | compiler | flags | emulator | sanitizers
table='
gcc-O0|g++|-O0||
gcc-O2|g++|-O2||
gcc-O3-native-fast-math|g++|-O3 -march=native -ffast-math||
clang-O2|clang++|-O2||
clang-O3-native-fast-math|clang++|-O3 -march=native -ffast-math||
gcc-address-undefined|g++|-O1||address,undefined
gcc-thread|g++|-O1||thread
aarch64|aarch64-linux-gnu-g++|-O2|qemu-aarch64|
s390x-big-endian|s390x-linux-gnu-g++|-O2|qemu-s390x|
'
jobs=${JOBS:-2}
root=build/portable
mkdir -p "$root"
manifests=(tests/golden/*/manifest.txt)
same=0 different=0 skipped=0

# The first of the given names, or of its versioned or static variants, that is installed.
find_tool() {
  local name=$1 candidate
  for candidate in "$name" "$name"-{20,19,18,17,16,15,14} "$name-static"; do
    if command -v "$candidate" > /dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

line() { printf '%-26s %-8s %-8s %s\n' "$@"; }

skip() {
  line "$1" - - "SKIPPED: $2 is not installed"
  skipped=$((skipped + 1))
}

build() {
  local name=$1 cxx=$2 flags=$3 emulator=$4 sanitizers=$5 options=()
  [ -z "$sanitizers" ] || options+=("-DSAMEBITS_SANITIZE=$sanitizers")
  if [ -n "$emulator" ]; then
    options+=(-DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=${name%%-*}"
      -DCMAKE_EXE_LINKER_FLAGS=-static)
  fi
  cmake -S . -B "$root/$name" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_CXX_FLAGS="$flags" -DSAMEBITS_TESTS=ON -DSAMEBITS_CUDA=OFF "${options[@]}" &&
    cmake --build "$root/$name" -j "$jobs" --target samebits_golden
}

# One line for each target and thread count of a build.
compare() {
  local name=$1 run=$2 targets target threads log
  targets=$($run targets)
  for target in $targets; do
    for threads in 1 2 7; do
      log=$root/$name-$target-$threads.log
      if SAMEBITS_TARGET=$target SAMEBITS_THREADS=$threads $run check "${manifests[@]}" \
        > "$log" 2>&1; then
        same=$((same + 1))
        line "$name" "$target" "$threads" "same ($(awk '/ decoded /{n += $1} END {print n}' "$log") streams)"
      else
        different=$((different + 1))
        line "$name" "$target" "$threads" "DIFFERENT, log $log"
        tail -n 5 "$log"
      fi
    done
  done
}

row() {
  local name=$1 cxx=$2 flags=$3 emulator=$4 sanitizers=$5 log=$root/$1.build.log
  local compiler run
  compiler=$(find_tool "$cxx") || { skip "$name" "$cxx"; return; }
  if [ -n "$emulator" ]; then
    run=$(find_tool "$emulator") || { skip "$name" "$emulator"; return; }
  fi
  if ! build "$name" "$compiler" "$flags" "$emulator" "$sanitizers" > "$log" 2>&1; then
    different=$((different + 1))
    line "$name" - - "BUILD FAILED, log $log"
    tail -n 15 "$log"
    return
  fi
  compare "$name" "${run:+$run }$root/$name/tests/golden/samebits_golden"
}

echo "golden files: ${manifests[*]}"
line build target threads result
wanted=" $* "
while IFS='|' read -r name cxx flags emulator sanitizers; do
  [ -n "$name" ] || continue
  [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
  row "$name" "$cxx" "$flags" "$emulator" "$sanitizers"
done <<< "$table"

echo "$same runs with the same bits, $different different or not built, $skipped rows skipped"
[ "$different" -eq 0 ]
[ "$same" -gt 0 ]
[ "$skipped" -eq 0 ] || [ -z "${SAMEBITS_REQUIRE_ALL:-}" ]
