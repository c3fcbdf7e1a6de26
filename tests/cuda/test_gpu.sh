#!/usr/bin/env bash
# Run by `make test-gpu` on a machine with a GPU: the tests of the CUDA kernels and the model's
# parity, a short training run on CPU and GPU, on several GPUs if there are some, the attention
# benchmark against FlashAttention-2.
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

# ranks N RUN [arguments]: as torchrun starts them.
ranks() {
  local size=$1 run=$2 port=$((20000 + RANDOM % 10000)) pids=() code=0
  shift 2
  for ((rank = 0; rank < size; ++rank)); do
    RANK=$rank LOCAL_RANK=$rank WORLD_SIZE=$size LOCAL_WORLD_SIZE=$size MASTER_ADDR=127.0.0.1 \
      MASTER_PORT=$port "$build/bin/lait-train" --config configs/demo.yaml --quiet \
      --output "$out/$run" --set training.device=cuda --set training.precision=fp32 \
      --set training.steps=400 --set training.log_every=1 --set training.checkpoint_every=50 \
      --set model.independent_layers=3 --set "data.train=$out/data/train.jsonl" \
      --set "data.validation=$out/data/validation.jsonl" "$@" &
    pids+=($!)
  done
  echo "${pids[@]}" >"$out/$run.pids"
  for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
  return "$code"
}
gpus=$(nvidia-smi --list-gpus | wc -l)
if ((gpus > 1)); then
  say "$gpus ranks with NCCL train what one trains; stopped and resumed they end the same"
  ranks 1 one
  ranks "$gpus" all
  ranks "$gpus" sharded --set training.shard_optimizer=true
  ranks "$gpus" stopped & pid=$!
  while [[ ! -e $out/stopped/checkpoints/step-50 ]] && kill -0 "$pid"; do sleep 0.02; done
  read -ra pids <"$out/stopped.pids"
  kill -TERM "${pids[-1]}"  # one is told, all stop
  code=0
  wait "$pid" || code=$?
  if ((code != 143)) || [[ -e $out/stopped/checkpoints/step-400 ]]; then
    echo "make test-gpu: the ranks did not stop at SIGTERM (exit code $code)" >&2
    exit 1
  fi
  ranks "$gpus" stopped --resume
  "$build/test-venv/bin/python" tests/cuda/same_losses.py "$out/one" "$out/all"
  cmp "$out/all/best/model.safetensors" "$out/sharded/best/model.safetensors"
  cmp "$out/all/best/model.safetensors" "$out/stopped/best/model.safetensors"
else
  say "one GPU: several ranks on GPUs are not tested"
fi

say "attention against FlashAttention-2"
"$build/bin/lait-bench" attention --device cuda --json "$out/attention.json"
