#!/usr/bin/env python3
"""Trains all-mpnet-base-v2 on SICK and fills the table "SICK: MPNet" of docs/results.md.

    configs/results_mpnet.py --data DIR [--build build] [--only RUN]... [--device cpu|cuda]
    configs/results_mpnet.py --data DIR --steps 20 [--model DIR]        a trial, kept apart

configs/mpnet_sick.yaml is trained as the stock model (pair, cls), and with standalone segments and
cls_segments at P = 0, half and three quarters of the layers: each with seed 1, and the two that are
best on validation data with seeds 2 and 3. A RUN is a schedule and a seed, e.g. pair-p0-seed1; with
--only just those are trained. --data has SICK_train.txt, SICK_trial.txt, SICK_test_annotated.txt,
plain or .gz.

The script can be stopped (Ctrl-C, SIGTERM) and started again. A finished run leaves
docs/results/mpnet-sick-RUN.json and is skipped from then on; a stopped one goes on where it was.
Run directories are made in BUILD/results, or --output; a finished run's checkpoints/ are removed,
its best/ stays. The table is written anew after each run.

A trial takes --steps steps and writes everything, the JSONs and a copy of the page too, into
BUILD/results/trial-STEPS. --model names another model for it.
"""
import argparse
import itertools
import pathlib
import shutil
import statistics
import sys

from results_runs import (FOLDER, PAGE, ROOT, Programs, data_file, fail, markdown, origin,
                          read_json, without_paths, write_between, write_json)

CONFIG = ROOT / "configs" / "mpnet_sick.yaml"
METRIC = "accuracy"
NUM_BEST, SEEDS = 2, (1, 2, 3)  # the best schedules get all seeds, the others the first
NUM_EPOCHS = 3
FLOPS = ("score_context", "attention", "encoder")


def schedules(num_layers):
    """{name: what is set in the config}, in the table's order"""
    stock = dict(segment_format="pair", pooling="cls", independent_layers=0)
    out = {"pair-p0": stock}
    for p in (0, num_layers // 2, num_layers * 3 // 4):
        split = dict(segment_format="standalone", pooling="cls_segments", independent_layers=p)
        out[f"standalone-p{p}"] = split
    return out


class Results:
    def __init__(self, args):
        self.args = args
        self.model = args.model or args.build / "models" / "all-mpnet-base-v2"
        if not (self.model / "config.json").exists():
            fail(f"expected a model in {self.model}, got nothing there; run cmake/setup.sh mpnet")
        self.programs = Programs(args.build, ("lait-train", "lait-eval"))
        self.num_layers = read_json(self.model / "config.json")["num_hidden_layers"]
        self.schedules = schedules(self.num_layers)
        self.output = args.output or args.build / "results"
        self.folder, self.page = FOLDER, PAGE
        if args.steps:
            self.output = self.output / f"trial-{args.steps}"
            self.folder, self.page = self.output / "results", self.output / "results.md"

    def file(self, run):
        return self.folder / f"mpnet-sick-{run}.json"

    def finished(self, run):
        """What the run gave; None where it is not finished."""
        return read_json(self.file(run)) if self.file(run).exists() else None

    def settings(self, run):
        """What the run sets in the config, apart from paths."""
        name, seed = run.rsplit("-seed", 1)
        out = {f"model.{key}": value for key, value in self.schedules[name].items()}
        out["training.seed"] = int(seed)
        out["training.device"] = self.args.device
        limit = ("steps", self.args.steps) if self.args.steps else ("epochs", NUM_EPOCHS)
        out[f"training.{limit[0]}"] = limit[1]
        return out

    def train(self, run):
        """Trains, or goes on, and writes the run's JSON."""
        folder = self.output / run
        paths = {
            "model.path": self.model,
            "data.train": data_file(self.args.data, "SICK_train.txt"),
            "data.validation": data_file(self.args.data, "SICK_trial.txt"),
            "data.test": data_file(self.args.data, "SICK_test_annotated.txt"),
            "training.checkpoint_every": 50,  # a loss of power costs a few minutes
        }
        settings = {**self.settings(run), **paths}
        report, seconds = self.programs.train(CONFIG, settings, folder)
        row = self.programs.evaluate(folder, report, paths["data.test"], self.args.device)
        result = {
            "run": run,
            "model": self.model.resolve().name,
            "config": without_paths((folder / "config.yaml").read_text(encoding="utf-8")),
            **{key: report[key] for key in ("precision", "best_step", "validation", "test")},
            "flops": row["flops"],
            **self.programs.made_by(self.args.device),
            "seconds": seconds,
        }
        write_json(self.file(run), result)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        self.write_table()

    def all_runs(self):
        """The runs in order; the later ones follow from the earlier ones' results."""
        for name in self.schedules:
            yield f"{name}-seed{SEEDS[0]}"

        def validation(name):
            return value(self.finished(f"{name}-seed{SEEDS[0]}"), "validation")

        best = sorted(self.schedules, key=validation, reverse=True)[:NUM_BEST]
        for name, seed in itertools.product(best, SEEDS[1:]):
            yield f"{name}-seed{seed}"

    def write_table(self):
        write_between(self.page, "mpnet-sick", self.table())

    def table(self):
        header = ["schedule", "segments, pooling", "validation accuracy, %", "test accuracy, %"]
        header += ["its seeds [95 %]", "score and context FLOPs", "attention FLOPs"]
        header += ["encoder FLOPs", "encoder, cached"]
        rows, results = [header], []
        for name, model in self.schedules.items():
            p = model["independent_layers"]
            words = f"P = {p} (stock)" if name == "pair-p0" else f"P = {p} of {self.num_layers}"
            cells = [words, f"{model['segment_format']}, {model['pooling']}"]
            seeds = sorted(self.folder.glob(f"mpnet-sick-{name}-seed*.json"), key=seed_of)
            runs = [read_json(file) for file in seeds]
            cells += row_cells(runs, p) if runs else ["not run"] + [""] * (len(header) - 3)
            rows.append(cells)
            results += runs
        if not results:
            return "No run is finished yet.\n"
        return markdown(rows) + "\n" + origin(results, "Means of the seeds")


def value(result, split):
    return result[split]["metrics"][METRIC]["value"]


def seed_of(file):
    return int(file.stem.rsplit("seed", 1)[1])


def row_cells(runs, p):
    """A schedule's cells behind its name. FLOPs: the stock model's, or shares of it."""
    tests = [run["test"]["metrics"][METRIC] for run in runs]
    parts = [[100 * test[key] for key in ("value", "low", "high")] for test in tests]
    seeds = ["{:.1f} [{:.1f}, {:.1f}]".format(*part) for part in parts]
    cells = [f"{100 * statistics.mean(value(run, 'validation') for run in runs):.1f}"]
    cells += [f"**{100 * statistics.mean(test['value'] for test in tests):.1f}**", ", ".join(seeds)]
    for kind in FLOPS:
        flops = runs[0]["flops"][kind]
        share = flops["lait"] / flops["full"]
        cells.append(f"{share:.2f}" if p > 0 else f"{flops['lait'] / 1e6:.1f} M")
    return cells + [f"{flops['lait_cached'] / flops['full']:.2g}" if p > 0 else ""]


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(formatter_class=raw, description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--output", type=pathlib.Path, help="run directories (BUILD/results)")
    parser.add_argument("--only", action="append", default=[], metavar="RUN")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, help="a trial of so many optimiser steps")
    parser.add_argument("--model", type=pathlib.Path, help="of a trial")
    args = parser.parse_args()
    if args.model and not args.steps:
        fail("--model is for trials; give --steps, too")
    results = Results(args)
    known = [f"{name}-seed{seed}" for name in results.schedules for seed in SEEDS]
    for run in args.only:
        if run not in known:
            fail(f"--only: expected one of {', '.join(known)}, got '{run}'")
    for run in args.only or results.all_runs():
        if results.finished(run):
            print(f"finished already: {results.file(run)}", file=sys.stderr)
        else:
            results.train(run)
    results.write_table()
    print(f"table: {results.page}", file=sys.stderr)


if __name__ == "__main__":
    main()
