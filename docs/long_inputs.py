#!/usr/bin/env python3
"""Time and memory of T5 on long inputs of several segments (docs/results.md, "T5: long inputs").

    docs/long_inputs.py --model DIR [--python PATH] [--segments 1 2 4 8 16] [--layers 0 4 8 11]

DIR has T5's config.json and spiece.model; weights are random. Runs lait-bench predict and
train-step on examples of so many different segments of about 512 tokens, one at a time, and writes
OUTPUT/t5-long-COMMAND-N.json. What is there already is not run again. With PATH, a Python with
transformers, the stock model is measured, too; where its attention needs more memory than is there,
lait-bench says so.
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile

WORDS = ("the of and to in a is that for it with as was on are this by be at from have or an not "
         "which but they his you all").split()
TOKENS = 512


def write_examples(path, segments):
    draw = random.Random(1)
    with open(path, "w", encoding="utf-8") as file:
        for label in ("no", "yes"):
            texts = [" ".join(draw.choices(WORDS, k=TOKENS - 1)) for _ in range(segments)]
            file.write(json.dumps({"segments": texts, "label": label}) + "\n")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--python")
    parser.add_argument("--build", default=str(root / "build"))
    parser.add_argument("--output", type=pathlib.Path, default=root / "docs/results")
    parser.add_argument("--segments", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 4, 8, 11])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for segments in args.segments:
            data, config = pathlib.Path(folder) / "data.jsonl", pathlib.Path(folder) / "a.yaml"
            write_examples(data, segments)
            config.write_text(
                f"task: jsonl\nmodel: {{path: {args.model}, init: random}}\n"
                f"data: {{train: {data}, num_segments: 0, max_segment_tokens: 16384}}\n"
                "training: {batch_size: 1, optimizer: adafactor, steps: 10}\n")
            for command in ("predict", "train-step"):
                output = args.output / f"t5-long-{command}-{segments}.json"
                if output.exists():
                    continue
                layers = ",".join(map(str, args.layers))
                subprocess.run(
                    [f"{args.build}/bin/lait-bench", command, "--config", str(config), "--steps",
                     "1", "--milliseconds", "1", "--independent-layers", layers, "--json",
                     str(output), *(["--python", args.python] if args.python else [])], check=True)


if __name__ == "__main__":
    main()
