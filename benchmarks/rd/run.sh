#!/bin/sh
# Rate-distortion run on a folder of pictures: benchmarks/rd/run.sh DIR [options of samebits eval]
set -eu
pictures=${1:?"usage: benchmarks/rd/run.sh DIR [options of samebits eval]"}
shift
root=$(dirname "$0")/../..
exec "${PYTHON:-python3}" -m samebits eval "$pictures" \
  --out "$root/benchmarks/results/rd-$(basename "$pictures")" "$@"
