# One line a target. Variables: PYTHON, JOBS, CLANG_FORMAT, SECONDS (of fuzzing a target).
PYTHON ?= python3
JOBS ?= 2
CLANG_FORMAT ?= clang-format
CPP_FLAGS ?= -DSAMEBITS_TESTS=ON -DSAMEBITS_CUDA=OFF

.PHONY: dev test test-cpp test-slow test-sanitize test-portable test-corrupt lint format bench fuzz clean

dev: ; $(PYTHON) -m pip install -c constraints.txt -e '.[test,dev,eval]'
test: test-cpp ; $(PYTHON) -m pytest -q -m 'not slow' -n $(JOBS) --dist loadfile
test-slow: ; $(PYTHON) -m pytest -q -s -m slow
test-cpp: ; cmake -S . -B build/cpp $(CPP_FLAGS) && cmake --build build/cpp -j $(JOBS) && ctest --test-dir build/cpp -j $(JOBS) --output-on-failure
test-sanitize: ; cmake -S . -B build/sanitize $(CPP_FLAGS) -DSAMEBITS_SANITIZE=address,undefined && cmake --build build/sanitize -j $(JOBS) && ctest --test-dir build/sanitize --output-on-failure
test-portable: ; tests/portable/run.sh
test-corrupt: ; tests/corrupt/run.sh
fuzz: ; tests/fuzz/run.sh $(SECONDS)
bench: ; PYTHON="$(PYTHON)" benchmarks/run.sh
lint: ; ruff check . && ruff format --check . && pyright && git ls-files 'csrc/*.h' 'csrc/*.cpp' 'tests/*.cpp' | xargs $(CLANG_FORMAT) --dry-run -Werror
format: ; ruff format . && git ls-files 'csrc/*.h' 'csrc/*.cpp' 'tests/*.cpp' | xargs $(CLANG_FORMAT) -i
clean: ; rm -rf build
