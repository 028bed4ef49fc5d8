#!/usr/bin/env bash
# Builds the libFuzzer targets with clang, ASan and UBSan, and runs each of them for a while.
#   tests/fuzz/run.sh [SECONDS_PER_TARGET] [TARGET...]
# New inputs are kept in build/fuzz/corpus; a finding is left there as crash-* and ends the script.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(container range_decoder weights model decode series)
jobs=${JOBS:-2}
build=build/fuzz
golden=tests/golden/tiny
values=tests/golden/values  # the same model with a head for a probability per value

cxx=${FUZZ_CXX:-}
for name in clang++ clang++-{20,19,18,17,16,15,14}; do
  [ -n "$cxx" ] && break
  command -v "$name" > /dev/null && cxx=$name
done
if [ -z "$cxx" ]; then
  echo "fuzz: there is no clang++; install clang with its compiler-rt, or set FUZZ_CXX" >&2
  exit 1
fi

cmake -S . -B "$build" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DSAMEBITS_FUZZ=ON -DSAMEBITS_CUDA=OFF \
  -DSAMEBITS_SANITIZE=fuzzer-no-link,address,undefined > /dev/null
cmake --build "$build" -j "$jobs" --target "${targets[@]/#/fuzz_}" | tail -n 1

# Where the fuzzer starts: golden streams, their payloads behind three bytes, a small weights file.
seed_corpus() {
  local target=$1 folder=$2 file
  mkdir -p "$folder"
  case $target in
    container | decode)
      cp "$golden"/*.same "$folder"/
      for file in "$values"/*.same; do cp "$file" "$folder/values_$(basename "$file")"; done ;;
    range_decoder)
      for file in "$golden"/*.same; do
        { printf '\x10\x07\x03'; tail -c +19 "$file"; } > "$folder/$(basename "$file")"
      done ;;
    series) cp "$golden"/*.same "$golden"/../series/*.sames "$folder"/ ;;
    weights) cp "$golden"/types.safetensors "$folder"/ ;;
    model) printf '\x00\x00\x01\x05\x10\x80\x02\x7f' > "$folder/two_changes" ;;
  esac
}

max_len() {
  case $1 in
    model) echo 64 ;;
    weights) echo 1024 ;;
    *) echo 2048 ;;
  esac
}

report=()
for target in "${targets[@]}"; do
  corpus=$build/corpus/$target
  seed_corpus "$target" "$corpus"
  log=$build/$target.log
  echo "== fuzz_$target, $seconds s"
  if ! SAMEBITS_THREADS=1 "$build/tests/fuzz/fuzz_$target" "$corpus" \
    -max_total_time="$seconds" -max_len="$(max_len "$target")" -rss_limit_mb=1500 -timeout=25 \
    -artifact_prefix="$build/corpus/$target-" -print_final_stats=1 > "$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz_$target: FINDING, log $log"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 || true)
  report+=("$(printf '%-16s %10s executions  %s  0 findings' "$target" "$runs" "$coverage")")
done
printf '%s\n' "${report[@]}"
