#!/usr/bin/env bash
# The demo behind `make demo`: makes the WordNet data, fine-tunes with three schedules and compares
# them. Usage: configs/demo.sh [BUILD]. Finished steps are skipped; a stopped training is resumed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build}
data=$build/data/wordnet
runs=$build/runs/demo
say() { printf '\n== %s\n' "$*"; }

say "1 of 3: fact verification data from WordNet: $data"
if [[ -d $data ]]; then
  echo "already made"
else
  rm -rf "$data.partial"
  "$build/bin/lait-data" wordnet --output "$data.partial"
  mv "$data.partial" "$data"
fi

say "2 of 3: fine-tune all-MiniLM-L6-v2 with P = 0 (stock), 3 and 5 independent layers: $runs"
"$build/bin/lait-train" --config configs/demo.yaml --output "$runs" \
  --sweep model.independent_layers=0,3,5 --resume \
  --set "data.train=$data/train.jsonl" --set "data.validation=$data/validation.jsonl" \
  --set "data.test=$data/test.jsonl"

say "3 of 3: accuracy against FLOPs: $runs/report"
checkpoints=()
for p in 0 3 5; do checkpoints+=(--checkpoint "$runs/model.independent_layers=$p/best"); done
"$build/bin/lait-eval" "${checkpoints[@]}" --report "$runs/report"
