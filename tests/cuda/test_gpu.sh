#!/usr/bin/env bash
# Run by `make test-gpu` on a machine with a GPU: the tests of the CUDA kernels and the model's
# parity, a short training run on CPU and GPU, the attention benchmark against FlashAttention-2.
# Usage: test_gpu.sh BUILD.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${1:-build}
out=$build/test-gpu
say() { printf '\n== %s\n' "$*"; }

if ! nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>/dev/null; then
  echo "make test-gpu: nvidia-smi finds no GPU; 'make test' is for machines without one" >&2
  exit 1
fi
rm -rf "$out"
mkdir -p "$out"

say "kernels, operators and model against the CPU"
for test in test_kernels_cuda test_cuda; do
  # WorkCounts counts the work that an emulator executes.
  "$build/bin/$test" --gtest_brief=1 --gtest_filter='-*WorkCounts*' | tee "$out/$test.log"
  if grep -q SKIPPED "$out/$test.log"; then
    echo "make test-gpu: $test skipped cases although there is a GPU; see $out/$test.log" >&2
    exit 1
  fi
done

say "a short training run on the CPU and on the GPU"
"$build/bin/lait-data" wordnet --output "$out/data"
for device in cpu cuda; do
  "$build/bin/lait-train" --config configs/demo.yaml --output "$out/$device" \
    --set "training.device=$device" --set training.precision=fp32 --set training.steps=60 \
    --set model.independent_layers=3 --set "data.train=$out/data/train.jsonl" \
    --set "data.validation=$out/data/validation.jsonl" --set "data.test=$out/data/test.jsonl"
done
"$build/bin/lait-eval" --checkpoint "$out/cpu" --checkpoint "$out/cuda" --report "$out/report"

say "attention against FlashAttention-2"
"$build/bin/lait-bench" attention --device cuda --json "$out/attention.json"
