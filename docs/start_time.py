#!/usr/bin/env python3
"""How long lait-train takes until its first step, and its memory then: without a token cache and
with it (docs/training.md, "The token cache"). Each run is killed at its first step.

    docs/start_time.py --program build/bin/lait-train --repeats 3 -- \
        --config mnli_split4.yaml --set data.train=train.jsonl --set data.validation=[]
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time


def status(pid, name):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(rf"{name}:\s+(\d+) kB", file.read())[1]) / 1000


def start(command):
    """Seconds, CPU seconds, and MB (anonymous, mapped, most at a time) at the first step."""
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    text = ""
    for line in process.stderr:
        text += line
        if re.match(r"\d+ steps in ", line):
            break
    else:
        raise SystemExit(text)
    seconds = time.monotonic() - began
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory = [status(process.pid, name) for name in ("RssAnon", "RssFile", "VmHWM")]
    # The files of the cache get their names right behind this line.
    time.sleep(1)
    process.kill()
    process.communicate()
    return [seconds, cpu, *memory]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("arguments", nargs="+", help="of lait-train, behind --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        command = [options.program, *options.arguments, "--output", run]
        results = {"without": [], "cached": []}
        for _ in range(options.repeats):
            shutil.rmtree(run, ignore_errors=True)
            results["without"].append(start(command))
            results["cached"].append(start([*command, "--overwrite"]))
    for name, rows in results.items():
        medians = [statistics.median(column) for column in zip(*rows)]
        print("{:8} {:6.2f} s, {:6.2f} s of CPU; {:.0f} MB anonymous, {:.0f} MB of files, "
              "{:.0f} MB at the peak".format(name, *medians))


if __name__ == "__main__":
    main()
