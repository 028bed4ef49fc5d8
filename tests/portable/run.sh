#!/usr/bin/env bash
# Builds samebits_golden in many ways and compares what each build decodes and encodes with the golden
# manifests: compilers, optimization, sanitizers, targets, thread counts, other architectures under
# emulation, big-endian among them, and AVX-512 on machines without it. Where a target runs only
# under emulation, the exactness tests of its kernels run too. Prints a table; any difference or
# failed build ends it with 1.
#   tests/portable/run.sh [ROW...]      rows as in the table below, all of them by default
# A row whose compiler, emulator or library is not installed is skipped, and the last line counts
# those.
# SAMEBITS_REQUIRE_ALL=1 makes a skipped row a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

# name | compiler | flags | emulator | sanitizers | emulated target
table='
gcc-O0|g++|-O0|||
gcc-O2|g++|-O2|||
gcc-O3-native-fast-math|g++|-O3 -march=native -ffast-math|||
clang-O2|clang++|-O2|||
clang-O3-native-fast-math|clang++|-O3 -march=native -ffast-math|||
gcc-address-undefined|g++|-O1||address,undefined|
gcc-thread|g++|-O1||thread|
avx512-on-emulation|g++|-O2|||avx512
aarch64|aarch64-linux-gnu-g++|-O2|qemu-aarch64||neon
s390x-big-endian|s390x-linux-gnu-g++|-O2|qemu-s390x||
'
exactness_tests=(nn_conv nn_requantize nn_network nn_stress_blocks)
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
  local name=$1 cxx=$2 flags=$3 emulator=$4 sanitizers=$5 emulated=$6 options=() programs
  programs=(samebits_golden)
  [ -z "$emulated" ] || programs+=("${exactness_tests[@]}")
  [ "$emulated" != avx512 ] || options+=(-DSAMEBITS_EMULATE_AVX512=ON)
  [ -z "$sanitizers" ] || options+=("-DSAMEBITS_SANITIZE=$sanitizers")
  if [ -n "$emulator" ]; then
    options+=(-DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=${name%%-*}"
      -DCMAKE_EXE_LINKER_FLAGS=-static)
  fi
  cmake -S . -B "$root/$name" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_CXX_FLAGS="$flags" -DSAMEBITS_TESTS=ON -DSAMEBITS_CUDA=OFF "${options[@]}" &&
    cmake --build "$root/$name" -j "$jobs" --target "${programs[@]}"
}

# SIMDe, which emulates AVX-512, is a set of headers.
have_simde() { echo '#include <simde/x86/avx512.h>' | "$1" -x c++ -E - > /dev/null 2>&1; }

# The kernels' own tests, which compare every target with a naive reference.
exactness() {
  local name=$1 emulator=$2 target=$3 test log
  if ! $emulator "$root/$name/tests/golden/samebits_golden" targets | grep -qx "$target"; then
    different=$((different + 1))
    line "$name" "$target" - "MISSING: the build does not have this target"
    return
  fi
  for test in "${exactness_tests[@]}"; do
    log=$root/$name-$test.log
    if $emulator "$root/$name/tests/cpp/$test" > "$log" 2>&1; then
      same=$((same + 1))
      line "$name" "$target" - "$test passed"
    else
      different=$((different + 1))
      line "$name" "$target" - "$test FAILED, log $log"
      tail -n 5 "$log"
    fi
  done
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
  local name=$1 cxx=$2 flags=$3 emulator=$4 sanitizers=$5 emulated=$6 log=$root/$1.build.log
  local compiler run
  compiler=$(find_tool "$cxx") || { skip "$name" "$cxx"; return; }
  if [ -n "$emulator" ]; then
    run=$(find_tool "$emulator") || { skip "$name" "$emulator"; return; }
  fi
  if [ "$emulated" = avx512 ] && ! have_simde "$compiler"; then
    skip "$name" "SIMDe (libsimde-dev)"
    return
  fi
  if ! build "$name" "$compiler" "$flags" "$emulator" "$sanitizers" "$emulated" > "$log" 2>&1; then
    different=$((different + 1))
    line "$name" - - "BUILD FAILED, log $log"
    tail -n 15 "$log"
    return
  fi
  [ -z "$emulated" ] || exactness "$name" "${run:-}" "$emulated"
  compare "$name" "${run:+$run }$root/$name/tests/golden/samebits_golden"
}

echo "golden files: ${manifests[*]}"
line build target threads result
wanted=" $* "
while IFS='|' read -r name cxx flags emulator sanitizers emulated; do
  [ -n "$name" ] || continue
  [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
  row "$name" "$cxx" "$flags" "$emulator" "$sanitizers" "$emulated"
done <<< "$table"

echo "$same runs with the same bits, $different different or not built, $skipped rows skipped"
[ "$different" -eq 0 ]
[ "$same" -gt 0 ]
[ "$skipped" -eq 0 ] || [ -z "${SAMEBITS_REQUIRE_ALL:-}" ]
