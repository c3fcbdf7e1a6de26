# The commands. Each does only the work that is left; `make help` lists them.
BUILD ?= build
PREFIX ?= $(HOME)/.local
BENCH ?= tokenizer
# `make install CUDA=1` installs LibTorch's CUDA libraries, too.
CUDA ?= 0
# An optional CUDA emulator (a libcudart.so that runs kernels on the CPU), used for the CUDA
# kernels' tests.
LAIT_GPUEMU ?=
export LAIT_BUILD := $(abspath $(BUILD))
CMAKE_FLAGS ?=

.PHONY: all setup configure demo test test-gpu bench fmt lint tidy check sanitize fresh-machine \
  install clean help

all: configure  ## set up and build the programs into build/bin
	@cmake --build $(BUILD) --target programs

setup:  ## install what is missing: Debian packages, LibTorch, nvcc, the default model
	@cmake/setup.sh

# CMake refuses the cache of another folder, so a copied or moved checkout begins a new one.
in_cache = "$$(sed -n 's/^$(1):INTERNAL=//p' $(BUILD)/CMakeCache.txt)"

configure: setup
	@fresh=; if [ -f $(BUILD)/CMakeCache.txt ]; then \
	  [ $(call in_cache,CMAKE_HOME_DIRECTORY) -ef . ] && \
	  [ $(call in_cache,CMAKE_CACHEFILE_DIR) -ef $(BUILD) ] || fresh=--fresh; fi; \
	cmake --preset cuda -B $(BUILD) $$fresh -DLAIT_GPUEMU=$(LAIT_GPUEMU) $(CMAKE_FLAGS) \
	  --log-level=WARNING

# Without a GPU the demo does not wait for the CUDA kernels to compile.
demo: configure  ## fine-tune MiniLM on WordNet facts at P = 0, 3, 5; print accuracy against FLOPs
	@cmake --build $(BUILD) --target \
	  $(if $(wildcard /dev/nvidiactl),programs,lait-data lait-train lait-eval)
	@configs/demo.sh $(BUILD)

test: configure  ## build everything and run all tests (LAIT_TEST_DATA=FOLDER: also on real data)
	@cmake/setup.sh tests
	@cmake --build $(BUILD)
	@ctest --test-dir $(BUILD) --output-on-failure -j $(shell nproc)

test-gpu: configure  ## with a GPU: CUDA tests, a short training run, the attention benchmark
	@cmake/setup.sh tests
	@cmake --build $(BUILD)
	@tests/cuda/test_gpu.sh $(BUILD)

bench: all  ## run the benchmarks named by BENCH
	@$(BUILD)/bin/lait-bench $(BENCH)

fmt:  ## format C++ and CUDA sources in place
	@cmake/setup.sh lint
	@git ls-files -z '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -0 clang-format-14 -i

lint:  ## check line lengths, format, scripts (shellcheck) and the Dockerfile (hadolint)
	@cmake/setup.sh lint
	@.ci/lint

# clang reads each source on its own: without unity files, precompiled headers and GCC's flags.
tidy: setup  ## clang-tidy over the C++ sources, in build-tidy (.clang-tidy lists the checks)
	@command -v run-clang-tidy >/dev/null || \
	  { echo "make tidy: install clang-tidy (apt-get install clang-tidy)" >&2; exit 1; }
	@cmake -G Ninja -S . -B build-tidy -DLAIT_PCH=OFF -DLAIT_UNITY=OFF -DLAIT_CCACHE=OFF \
	  -DLAIT_CUDA=OFF -DLAIT_TESTS=OFF --log-level=WARNING
	@cmake --build build-tidy --target lait_git_hash
	@run-clang-tidy -p build-tidy -quiet -j $(shell nproc) '/(kernels|lait|eval|train)/' \
	  >build-tidy/log.txt 2>&1 && echo "clang-tidy: nothing found" || \
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
	else echo "compute-sanitizer: no GPU or no compute-sanitizer here; the CUDA tests did not run"; fi

fresh-machine:  ## try `make demo` and `make test` in a minimal Debian (ROUNDS, COMMANDS; as root)
	@ROUNDS="$(ROUNDS)" COMMANDS="$(COMMANDS)" cmake/fresh_machine.sh

# `sudo make install` installs what `make` built: root has no set-up of its own.
install: $(if $(SUDO_USER),,all)  ## install for all users of PREFIX (~/.local); CUDA=1: for GPUs
	@$(if $(filter 1,$(CUDA)),test -e $(BUILD)/lib/liblait_cuda.so || \
	  { echo "make install CUDA=1: this build has no CUDA (-DLAIT_CUDA=OFF)" >&2; exit 1; })
	@$(if $(filter 1,$(CUDA)),cmake --install $(BUILD) --prefix $(PREFIX) --component cuda_check)
	@cmake --install $(BUILD) --prefix $(PREFIX)
	@$(if $(filter 1,$(CUDA)),cmake --install $(BUILD) --prefix $(PREFIX) --component cuda)
	@echo "installed under $(PREFIX): $(PREFIX)/bin/lait-train --help"

clean:  ## remove the build folder (what is shared by all clones stays, see cmake/setup.sh)
	rm -rf $(BUILD)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
