#!/bin/sh
# Times of the codec: benchmarks/codec/run.sh PICTURE [options of samebits bench]
set -eu
picture=${1:?"usage: benchmarks/codec/run.sh PICTURE [options of samebits bench]"}
shift
results=$(dirname "$0")/../results
mkdir -p "$results"
name=$(basename "${picture%.*}")
python=${PYTHON:-python3}
"$python" -m samebits bench codec "$picture" --out "$results/codec-$name.json" "$@"
exec "$python" -m samebits bench codec "$picture" --size 4000x3000 --repeats 3 \
  --out "$results/codec-$name-12mp.json" "$@"
