#!/usr/bin/env python3
"""Proves that a change of the code changes no bit of the results of training and prediction.

    tests/same_results.py record --build DIR --data DIR --output FOLDER [--quick] [--model DIR]
    tests/same_results.py compare FOLDER_A FOLDER_B [--quick]

`record` runs short trainings (40 optimiser steps of 16 examples on the CPU with two threads and a
fixed seed) with the programs in BUILD/bin, one case after the other, and writes FOLDER/CASE.json:

    inputs       the processor, SHA-256 of the model and of each data file: compare like with like
    tensors      SHA-256 of each tensor by name: of the best model, and of the model after step 40
    metrics      metrics.jsonl without the speeds
    report       report.json: the best model's metrics on validation and test data
    predictions  the lines of lait-predict with the best model on the test data

A case whose file is there is skipped: a recording that was stopped resumes, and another build needs
another FOLDER. `--quick` takes a dozen cases in which each value of the grid occurs.
`--data` has sick/ (SICK_train.txt, SICK_trial.txt, SICK_test_annotated.txt) and stsb/ (train.tsv,
dev.tsv), plain or .gz. `--model` is all-MiniLM-L6-v2 (default: BUILD/models/all-MiniLM-L6-v2).

`compare` says for each case whether it is equal, or what differs first; it exits with 1 if a case
differs or is in one folder only. With `--quick` it compares the dozen only. On another processor
sums have another order, so both folders must come from one machine.

Before a change, record with a build of the commit before it. After the change, record and compare.
"""
import argparse
import gzip
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

STEPS, BATCH_SIZE, THREADS = 40, 16, 2
NUM_TRAIN, NUM_EVALUATED = 320, 64  # examples: two epochs; of validation and of test data
POOLINGS = ("cls", "mean", "segments", "cls_segments")
PRECISIONS = ("fp32", "bf16")
DROPOUTS = (0, 0.1)
NUM_LAYERS = 6
GROUP_SCHEDULE = [{"num_layers": 2, "scope": scope} for scope in ("segment", "group", "example")]
# The rows of the groups data set use these groups of segments in turn.
GROUP_LAYOUTS = ([0, 0, 1, 1], [0, 0, 1], [0, 1, 1, 2])
QUICK = (
    "sick-p0-cls-fp32-dropout0",
    "sick-p0-mean-bf16-dropout0.1",
    "sick-p0-cls_segments-fp32-dropout0.1",
    "sick-p3-cls-bf16-dropout0.1",
    "sick-p3-cls_segments-fp32-dropout0.1",
    "sick-p3-segments-bf16-dropout0",
    "sick-p5-cls-fp32-dropout0.1",
    "sick-p5-cls_segments-bf16-dropout0",
    "sick-p6-segments-fp32-dropout0.1",
    "sick-p6-mean-bf16-dropout0",
    "groups-cls_segments-bf16-dropout0.1",
    "stsb-p3-cls_segments-fp32-dropout0.1",
)


def all_cases():
    """{name: (task, data set, precision, the config's model without path)}"""
    cases = {}

    def add(prefix, task, data, pooling, precision, dropout, model):
        name = f"{prefix}-{pooling}-{precision}-dropout{dropout}"
        dropouts = {f"{site}_dropout": dropout for site in ("hidden", "attention", "classifier")}
        cases[name] = (task, data, precision, {**model, "pooling": pooling, **dropouts})

    def split(p):
        return {"independent_layers": p, "segment_format": "standalone" if p else "pair"}

    for precision in PRECISIONS:
        for dropout in DROPOUTS:
            for pooling in POOLINGS:
                for p in (0, 3, 5, NUM_LAYERS):
                    if pooling == "cls" and p == NUM_LAYERS:
                        continue  # refused: it would read the first segment only
                    add(f"sick-p{p}", "sick", "sick", pooling, precision, dropout, split(p))
                model = {"schedule": GROUP_SCHEDULE}
                add("groups", "jsonl", "groups", pooling, precision, dropout, model)
        for p in (0, 3):
            add(f"stsb-p{p}", "stsb", "stsb", "cls_segments", precision, 0.1, split(p))
    return cases


def head(folder, name, num_rows, skip=0):
    """The header and the rows [skip, skip + num_rows) of a tab-separated file."""
    plain, packed = folder / name, folder / (name + ".gz")
    if not plain.exists() and not packed.exists():
        sys.exit(f"same_results.py: expected {plain} or {packed}, got neither; see --data")
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    lines = data.decode("utf-8").split("\n")
    return lines[0], lines[1 + skip : 1 + skip + num_rows]


def write_lines(file, lines):
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def cells(header, rows, *columns):
    """For each row, the cells of these columns."""
    places = [header.rstrip("\r").split("\t").index(column) for column in columns]
    return [[row.rstrip("\r").split("\t")[place] for place in places] for row in rows]


def grouped(pairs):
    """JSON lines of three or four segments, from a row and the next one; neighbours share some."""
    for i, ((a, b, label), (c, d, _)) in enumerate(zip(pairs, pairs[1:])):
        groups = GROUP_LAYOUTS[i % len(GROUP_LAYOUTS)]
        segments = [a, b, c, d][: len(groups)]
        yield json.dumps({"segments": segments, "groups": groups, "label": label})


def make_data(data, work):
    """Writes the heads of the data's files: work/SET.SPLIT and, to predict, work/SET.predict."""
    splits = (
        ("train", NUM_TRAIN, "SICK_train.txt", "train.tsv", 0),
        ("validation", NUM_EVALUATED, "SICK_trial.txt", "dev.tsv", 0),
        ("test", NUM_EVALUATED, "SICK_test_annotated.txt", "dev.tsv", NUM_EVALUATED),
    )
    for split, size, sick_file, stsb_file, stsb_skip in splits:
        header, rows = head(data / "sick", sick_file, size + 1)
        write_lines(work / f"sick.{split}", [header, *rows[:size]])
        sick = cells(header, rows, "sentence_A", "sentence_B", "entailment_judgment")
        groups = list(grouped(sick))
        write_lines(work / f"groups.{split}", groups)
        header, rows = head(data / "stsb", stsb_file, size, stsb_skip)
        write_lines(work / f"stsb.{split}", [header, *rows])
        stsb = cells(header, rows, "sentence1", "sentence2")
    # The rows of the last split, the test data.
    write_lines(work / "groups.predict", groups)
    for name, pairs in (("sick", sick[:NUM_EVALUATED]), ("stsb", stsb)):
        lines = [json.dumps({"id": i, "segments": pair[:2]}) for i, pair in enumerate(pairs)]
        write_lines(work / f"{name}.predict", lines)


def run(*command):
    words = [str(word) for word in command]
    # On a busy machine a thread that waits for its peers must yield the core to them.
    env = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        sys.stdout.write(done.stdout[-2000:] + done.stderr[-2000:])
        sys.exit(f"same_results.py: exit code {done.returncode}: {' '.join(words)}")
    return done.stdout


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tensor_hashes(file):
    """{name: "dtype [shape] SHA-256 of the bytes"} of a safetensors file."""
    data = memoryview(file.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(bytes(data[8:begin]))
    header.pop("__metadata__", None)
    return {
        name: f"{entry['dtype']} {entry['shape']} "
        + sha256(data[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]])
        for name, entry in sorted(header.items())
    }


def metrics_of(file):
    """The lines of metrics.jsonl without examples_per_s, times and the like."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    times = ("_per_s", "seconds", "time")
    return [{k: v for k, v in line.items() if not k.endswith(times)} for line in lines]


def processor():
    """On Linux, a hash of the first processor's model and instruction sets."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return sha256("\n".join(x for x in lines if x.startswith(("model name", "flags"))).encode())


def record_case(case, programs, model, work):
    task, data, precision, model_config = case
    splits = {split: str(work / f"{data}.{split}") for split in ("train", "validation", "test")}
    run_dir = work / "run"
    training = dict(steps=STEPS, batch_size=BATCH_SIZE, precision=precision)
    training |= dict(device="cpu", threads=THREADS, seed=1)
    training |= dict(learning_rate=1e-4, head_learning_rate_factor=10)
    training |= dict(log_every=5, evaluate_every=STEPS // 2, checkpoint_every=STEPS)
    config = {
        "task": task,
        "model": {"path": str(model), **model_config},
        "data": splits,
        "training": training,
        "output": {"dir": str(run_dir)},
    }
    if data == "groups" and "data.num_segments" in run(programs / "lait-train", "--list-keys"):
        config["data"] = {**splits, "num_segments": 0}
    config_file = work / "case.yaml"
    config_file.write_text(json.dumps(config, indent=2))  # JSON is YAML, too
    run(programs / "lait-train", "--config", config_file, "--overwrite", "--quiet")
    compute = f"--quiet --device cpu --threads {THREADS} --batch-size {BATCH_SIZE}".split()
    reads = ("--checkpoint", run_dir, "--input", work / f"{data}.predict")
    predictions = run(programs / "lait-predict", *reads, *compute, "--precision", precision)
    tensors = {}
    for file in sorted(run_dir.rglob("model.safetensors")):
        for name, value in tensor_hashes(file).items():
            tensors[f"{file.relative_to(run_dir)}: {name}"] = value
    inputs = {split: sha256(pathlib.Path(file).read_bytes()) for split, file in splits.items()}
    inputs["model"] = sha256((model / "model.safetensors").read_bytes())
    inputs["processor"] = processor()
    report = json.loads((run_dir / "report.json").read_text())
    for of_the_machine in ("peak_rss_bytes", "version", "config", "machine", "training", "process"):
        report.pop(of_the_machine, None)
    return {
        "inputs": inputs,
        "tensors": tensors,
        "metrics": metrics_of(run_dir / "metrics.jsonl"),
        "report": report,
        "predictions": predictions.splitlines(),
    }


def record(args):
    programs = args.build.resolve() / "bin"
    model = (args.model or args.build / "models" / "all-MiniLM-L6-v2").resolve()
    for needed in (programs / "lait-train", programs / "lait-predict", model / "config.json"):
        if not needed.exists():
            sys.exit(f"same_results.py: expected {needed}, got nothing there; see --help")
    args.output.mkdir(parents=True, exist_ok=True)
    cases = all_cases()
    names = [*QUICK, *(() if args.quick else (name for name in cases if name not in QUICK))]
    with tempfile.TemporaryDirectory(prefix="same_results_") as work:
        make_data(args.data, pathlib.Path(work))
        for name in names:
            file = args.output / f"{name}.json"
            if file.exists():
                continue
            began = time.monotonic()
            result = record_case(cases[name], programs, model, pathlib.Path(work))
            part = file.with_suffix(".part")
            part.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
            os.replace(part, file)
            print(f"{name}  {time.monotonic() - began:.1f} s", flush=True)


def leaves(value, path=""):
    """(path, text) of each leaf of a JSON value, in order."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        if isinstance(child, (dict, list)):
            yield from leaves(child, f"{path}{key}/")
        else:
            yield f"{path}{key}", json.dumps(child, ensure_ascii=False)


def differences(a, b):
    """A line for each part of a case that differs: the first differing leaf, and their number."""
    for part in {**a, **b}:
        left, right = dict(leaves(a.get(part, {}))), dict(leaves(b.get(part, {})))
        differ = [key for key in {**left, **right} if left.get(key) != right.get(key)]
        if differ:
            of = len({**left, **right})
            values = f"{left.get(differ[0], 'none')} against {right.get(differ[0], 'none')}"
            yield f"{part} {differ[0]}: {values} ({len(differ)} of {of} differ)"


def compare(args):
    found = {file.stem for folder in (args.a, args.b) for file in folder.glob("*.json")}
    if not found:
        sys.exit(f"same_results.py: expected recordings in {args.a}, {args.b}, got no *.json")
    names = QUICK if args.quick else sorted(found)
    num_unequal = 0
    for name in names:
        files = [folder / f"{name}.json" for folder in (args.a, args.b)]
        problems = [f"missing: {file}" for file in files if not file.exists()]
        if not problems:
            problems = list(differences(*(json.loads(file.read_text()) for file in files)))
        print(f"{name}: {'differs' if problems else 'equal'}", *problems, sep="\n    ")
        num_unequal += bool(problems)
    print(f"{len(names) - num_unequal} of {len(names)} cases are equal")
    return 1 if num_unequal else 0


def main():
    kwargs = {"formatter_class": argparse.RawDescriptionHelpFormatter, "description": __doc__}
    parser = argparse.ArgumentParser(**kwargs)
    commands = parser.add_subparsers(dest="command", required=True)
    record_parser = commands.add_parser("record", help="run the cases and write their results")
    for option in ("--build", "--data", "--output"):
        record_parser.add_argument(option, type=pathlib.Path, required=True)
    record_parser.add_argument("--model", type=pathlib.Path)
    compare_parser = commands.add_parser("compare", help="say which cases are equal")
    compare_parser.add_argument("a", type=pathlib.Path)
    compare_parser.add_argument("b", type=pathlib.Path)
    for each in (record_parser, compare_parser):
        each.add_argument("--quick", action="store_true", help="a dozen cases")
    args = parser.parse_args()
    # An exit like any other, which ends the program that runs and removes the work folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(record(args) if args.command == "record" else compare(args))


if __name__ == "__main__":
    main()
