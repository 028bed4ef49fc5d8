#!/usr/bin/env bash
# Everything that needs a GPU, in one go: build, tests, memory checks, benchmark. For a machine with
# nvcc, CMake, ninja, pybind11, pytest and torch; takes a few minutes. Results are printed and, if a
# folder is given, written there.
#
#     tests/cuda/on_a_gpu.sh [FOLDER]
set -uo pipefail
cd "$(dirname "$0")/../.."
results=${1:-build/gpu_results}
python=${PYTHON:-python3}
mkdir -p "$results"
export PYTHONPATH=$PWD/python PYTHONUNBUFFERED=1
status=0

run() {
  local name=$1
  shift
  echo "== $name"
  timeout "${LIMIT:-300}" "$@" 2>&1 | tee "$results/$name.log" | tail -n "${LINES_SHOWN:-15}"
  local code=${PIPESTATUS[0]}
  [ "$code" = 0 ] || { echo "FAILED: $name ($code)"; status=1; }
}

run configure cmake -S . -B build/gpu -G Ninja -DSAMEBITS_PYTHON=ON -DSAMEBITS_INPLACE=ON \
  -DSAMEBITS_CUDA=ON -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$(command -v "$python")" \
  -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURES:-90a-real}"
run build cmake --build build/gpu -j
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
run tests "$python" -m pytest -q -s tests/python/test_cuda.py
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck; do
    run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$python" -m pytest -q \
      tests/python/test_cuda.py -k 'golden and not several_lanes'
  done
fi
LINES_SHOWN=200 run benchmark "$python" benchmarks/kernels/cuda_decode.py \
  --json "$results/cuda_decode.json"
exit "$status"
