#!/usr/bin/env python3
"""Training speed of N ranks with one thread each against one rank with N threads (docs/results.md).

    docs/ranks_speed.py --config mnli_split4 --data train.jsonl.gz --batch 32 256

Runs both in turns, each for a few steps in fp32 without validation, and prints the medians of the
examples per second that their metrics.jsonl have, without the first line, which warms up. Also runs
N processes of one thread that know nothing of each other, each with an N-th of the batch: what the
ranks take longer for a token is the share of the sums and of waiting for each other. (Their batches
are other ones, so examples are not compared.)
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def speed(args, batch, ranks, threads, together=True):
    """(examples per second, tokens per second) of all processes; batch: of a step of all."""
    steps = max(2, args.examples // batch) + 1
    of_process = batch if together else batch // ranks
    with tempfile.TemporaryDirectory() as folder:
        command = [
            f"{args.build}/bin/lait-train", "--config", args.config, "--quiet",
            "--set", f"model.path={args.model}", "--set", f"data.train={args.data}",
            "--set", "data.validation=[]", "--set", f"training.batch_size={of_process}",
            "--set", f"training.steps={steps}", "--set", "training.log_every=1",
            "--set", "training.precision=fp32", "--set", f"training.threads={threads}",
            "--set", "training.warmup=0.1",
        ]
        place = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(free_port())} if together else {}
        started = [subprocess.Popen(
            command + ["--output", f"{folder}/run{0 if together else rank}", "--set",
                       f"training.seed={1 if together else 1 + rank}"],
            env=os.environ | place | ({"RANK": str(rank)} if together else {}))
            for rank in range(ranks)]
        if any([process.wait() != 0 for process in started]):
            raise SystemExit("a rank failed")
        examples, tokens = 0, 0
        for run in pathlib.Path(folder).glob("run*"):
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            seconds = [of_process / line["examples_per_s"] for line in lines[1:]]
            examples += of_process * len(seconds) / sum(seconds)
            tokens += sum(line["tokens_per_s"] * s
                          for line, s in zip(lines[1:], seconds)) / sum(seconds)
        return examples, tokens


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--build", default=str(root / "build"))
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--examples", type=int, default=1024, help="of each run")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    for batch in args.batch:
        one, several, apart = [], [], []
        for _ in range(args.repeats):
            one.append(speed(args, batch, 1, args.ranks))
            several.append(speed(args, batch, args.ranks, 1))
            apart.append(speed(args, batch, args.ranks, 1, together=False))
        ratio = statistics.median(b[0] / a[0] for a, b in zip(one, several))
        share = statistics.median(1 - b[1] / a[1] for a, b in zip(apart, several))
        middle = [[statistics.median(run[i] for run in runs) for i in (0, 1)]
                  for runs in (one, several, apart)]
        print(f"batch {batch}: 1 rank {middle[0][0]:.1f} examples/s, {args.ranks} ranks "
              f"{middle[1][0]:.1f}, ratio {ratio:.2f}; {middle[1][1]:.0f} tokens/s, {args.ranks} "
              f"processes apart {middle[2][1]:.0f}, so sums and waiting {share:.0%}", flush=True)


if __name__ == "__main__":
    main()
