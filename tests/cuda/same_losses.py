"""same_losses.py RUN RUN: fails if the steps' losses differ by more than 1e-3 (relative)."""

import json
import pathlib
import sys


def losses(run):
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").open()]
    return [line["loss"] for line in lines if line["split"] == "train"]


a, b = map(losses, sys.argv[1:])
most = max(abs(x - y) / abs(x) for x, y in zip(a, b, strict=True))
print(f"{len(a)} steps, losses differ by at most {most:.1e}")
sys.exit(most > 1e-3)
