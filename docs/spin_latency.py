#!/usr/bin/env python3
"""Measures what the length of spinning costs: the table of "Threads" in docs/training.md.

    docs/spin_latency.py --checkpoint RUN [--build build] [--beside 2] [--repeats 3]

Starts lait-predict as a co-process with each GOMP_SPINCOUNT in turn, gives it one pair after the
other, and prints the median latency in milliseconds and the median of each repeat. `--beside N`
lets N other processes compute meanwhile. RUN has two segments: a run of `make demo`, for example.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

COUNTS = (0, 1000, 10000, 30000, 100000, 300000)
WARM_UP, PAIRS, PAUSE = 10, 50, 0.01  # seconds between two pairs, in which threads fall asleep


def latency(command, count):
    """The median over the pairs, in milliseconds."""
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env["GOMP_SPINCOUNT"] = str(count)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          bufsize=1, env=env) as process:
        times = []
        for i in range(WARM_UP + PAIRS):
            begin = time.perf_counter()
            print(json.dumps({"segments": [
                f"Where is my parcel {i}, please tell me?",
                "The courier's page shows where it is, if it was sent to you."]}),
                file=process.stdin)
            if not process.stdout.readline():
                sys.exit("spin_latency.py: lait-predict gave no answer")
            times.append(time.perf_counter() - begin)
            time.sleep(PAUSE)
        process.stdin.close()
    return statistics.median(times[WARM_UP:]) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, metavar="RUN")
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--beside", default=0, type=int, metavar="N")
    parser.add_argument("--repeats", default=3, type=int)
    args = parser.parse_args()
    command = [args.build / "bin/lait-predict", "--checkpoint", args.checkpoint, "--input", "-",
               "--quiet"]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(args.beside)]
    try:
        times = {count: [] for count in COUNTS}
        for _ in range(args.repeats):
            for count in COUNTS:
                times[count].append(latency(command, count))
    finally:
        for process in busy:
            process.kill()
    for count, medians in times.items():
        print(f"{count:7}: {statistics.median(medians):6.1f} ms  ",
              " ".join(f"{x:.1f}" for x in medians))


if __name__ == "__main__":
    main()
