#!/usr/bin/env python3
"""Trains MiniLM on four data sets and fills the table "Types of stored values" of docs/results.md.

    configs/results_value_types.py --data DIR [--build build] [--only DATA_SET]... [--output DIR]
    configs/results_value_types.py --data DIR --steps 20        a trial, kept apart

DIR has a folder for each data set, as for results_tasks.py, which prepares them in the same way.
Each is trained at P = 3, P = 5 and P = 3 one-sided (cls_segments, one seed, results_tasks.py's
epochs), and lait-eval --cache-type evaluates each model with values of segments in each type: its
metric beside the exact one on the same examples, and the largest change of a logit. Nothing is
chosen by these numbers.

The script can be stopped (Ctrl-C, SIGTERM) and started again. A finished run leaves
docs/results/value-types-DATA_SET-SCHEDULE.json and is skipped from then on; a stopped one goes on
where it was. Run directories are made in BUILD/results, or --output; a finished run's directory is
removed. The table is written anew after each run.

A trial takes --steps steps of 8 examples, on the first lines of each file, and writes everything,
the JSONs and a copy of the page too, into BUILD/results/trial-STEPS.
"""
import dataclasses
import sys

from results_data import DATA_SETS
from results_plan import Run
from results_runs import (fail, markdown, origin, read_json, without_paths, write_between,
                          write_json)
from results_training import DataSetRuns, arguments

NAMES = ("sick", "boolq", "vitaminc", "wikiqa")
TYPES = ("auto", "bf16", "int8")
P3, P5 = (Run("standalone", "cls_segments", layers, "1e-4") for layers in (3, 5))
SCHEDULES = {"p3": P3, "p5": P5, "one-sided-p3": dataclasses.replace(P3, updates="first")}
WORDS = {"p3": "P = 3", "p5": "P = 5", "one-sided-p3": "P = 3, one-sided"}


class Results(DataSetRuns):
    def file(self, data_set, schedule):
        return self.folder / f"value-types-{data_set.name}-{schedule}.json"

    def settings(self, data_set, schedule, texts):
        run = SCHEDULES[schedule]
        return {"model.path": self.model, f"model.{run.schedule[0]}": run.schedule[1],
                "model.segment_format": run.segment_format, "model.pooling": run.pooling,
                "data.train": texts / "train.jsonl", "data.validation": texts / "selection.jsonl",
                "data.test": "", "training.learning_rate": run.rate, "training.seed": run.seed,
                "training.device": "cpu", **data_set.settings, **self.length(data_set)}

    def run(self, data_set, schedule):
        """Trains, or goes on, evaluates and writes the run's JSON."""
        prepared = self.data(data_set)
        folder = self.output / f"value-types-{data_set.name}-{schedule}"
        report, seconds = self.programs.train(data_set.config,
                                              self.settings(data_set, schedule, prepared), folder)
        row = self.programs.evaluate(folder, report, prepared / "test.jsonl", "cpu",
                                     "--cache-type", ",".join(TYPES))
        result = {
            "data": read_json(prepared / "about.json"),
            "model": self.model.resolve().name,
            "config": without_paths((folder / "config.yaml").read_text(encoding="utf-8")),
            **{key: report[key] for key in ("precision", "steps", "best_step")},
            **{key: row[key] for key in ("examples", "truncated_examples", "metrics",
                                         "value_types")},
            **self.programs.made_by("cpu"),
            "seconds": seconds,
        }
        write_json(self.file(data_set, schedule), result)
        self.remove(folder)

    def write_table(self, data_sets):
        header = ["data set, metric", "schedule", "exact"]
        for name in TYPES[1:]:
            header += [f"{name}: difference [95 %]", "largest change of a logit", "other labels"]
        header.append("bytes a token: " + ", ".join(TYPES))
        rows, results = [header], []
        for data_set in data_sets:
            for schedule in SCHEDULES:
                if self.file(data_set, schedule).exists():
                    result = read_json(self.file(data_set, schedule))
                    results.append(result)
                    rows.append([f"{data_set.name}, {data_set.metric}", WORDS[schedule],
                                 *cells(result, data_set.metric)])
        text = "No run is finished yet.\n"
        if results:
            text = markdown(rows) + "\n" + origin(results, "One seed; metrics in points")
        write_between(self.page, "value-types", text)


def cells(result, metric):
    """A row behind its schedule."""
    types = {effect["type"]: effect for effect in result["value_types"]}
    if types["auto"]["largest_logit_change"] != 0:
        fail("values in the compute type changed a logit")
    out = [f"{100 * result['metrics'][metric]['value']:.1f}"]
    for name in TYPES[1:]:
        effect = types[name]
        parts = [100 * effect["differences"][metric][key] for key in ("value", "low", "high")]
        out.append("{:+.2f} [{:+.2f}, {:+.2f}]".format(*parts).replace("-", "−"))
        out.append(f"{effect['largest_logit_change']:.2g}")
        out.append(f"{effect['changed_labels']} of {result['examples']}")
    out.append(", ".join(f"{types[name]['bytes_per_token']:.0f}" for name in TYPES))
    return out


def main():
    known = {data_set.name: data_set for data_set in DATA_SETS if data_set.name in NAMES}
    args = arguments(__doc__, known)
    results = Results(args, ("lait-train", "lait-eval", "lait-data"))
    for name in args.only or NAMES:
        for schedule in SCHEDULES:
            file = results.file(known[name], schedule)
            if file.exists():
                print(f"finished already: {file}", file=sys.stderr)
            else:
                results.run(known[name], schedule)
                results.write_table([known[name] for name in NAMES])
    results.write_table([known[name] for name in NAMES])
    print(f"table: {results.page}", file=sys.stderr)


if __name__ == "__main__":
    main()
