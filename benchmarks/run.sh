#!/bin/sh
# All benchmarks of speed: benchmarks/run.sh [PICTURE] [options of all three, such as --quick]
# Results and pages: benchmarks/results/{kernels,coding,codec_NAME,codec_12mp}.{json,html}
set -eu
root=$(dirname "$0")/..
results=$root/benchmarks/results
picture=$root/python/samebits/evaluation/assets/demo_photo.png
case ${1:-} in
  '' | -*) ;;
  *) picture=$1 && shift ;;
esac
bench() { "${PYTHON:-python3}" -m samebits bench "$@"; }

bench kernels --out "$results/kernels.json" "$@"
bench coding --out "$results/coding.json" "$@"
name=$(basename "${picture%.*}")
set -- --checkpoint "$root/training/default.ckpt" "$@"
bench codec "$picture" --out "$results/codec_$name.json" "$@"
# CompressAI's models would take many minutes and gigabytes for it.
bench codec "$picture" --size 4000x3000 --peers none --out "$results/codec_12mp.json" "$@"
