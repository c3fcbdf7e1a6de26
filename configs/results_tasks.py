#!/usr/bin/env python3
"""Trains MiniLM on every task and fills the section "All tasks" of docs/results.md.

    configs/results_tasks.py --data DIR [--build build] [--only DATA_SET]... [--output DIR]
    configs/results_tasks.py --data DIR --steps 20              a trial, kept apart

DIR has a folder for each data set (results_data.py lists the files). Of each data set are trained:

  1. the stock model (pair, P = 0), with cls and cls_segments pooling and two learning rates; the
     best on selection data, a part of the training data, is the baseline
  2. standalone with cls_segments at P = 0, 3 and 5, with the stock cls_segments' learning rate; for
     some also with one-sided layers, with layers that see a group of segments, or in batches that
     do not encode common segments once
  3. the baseline's settings on one segment alone, the others being full stops
  4. for some, what is in the table with two more seeds, after all data sets' first seed

The reported split is read after training only. What batches save by encoding common segments once
is counted from the training data (lait-data stat). The script can be stopped (Ctrl-C, SIGTERM) and
started again. A finished run leaves docs/results/tasks-DATA_SET-RUN.json and is skipped from then
on; a stopped one goes on where it was. Prepared data and run directories are made in BUILD/results,
or --output; a finished run's directory is removed. The page is written anew after each run.

A trial takes --steps steps of 8 examples, on the first lines of each file, and writes everything,
the JSONs and a copy of the page too, into BUILD/results/trial-STEPS.
"""
import dataclasses
import json
import sys

from results_data import DATA_SETS, examples_of, lines_of
from results_metrics import add, cluster_sums, packed, value
from results_plan import Plan
from results_runs import fail, options, read_json, without_paths, write_between, write_json
from results_table import page_section
from results_training import DataSetRuns, arguments

WITHOUT_DROPOUT = {f"model.{kind}_dropout": 0 for kind in ("hidden", "attention", "classifier")}


class Results(DataSetRuns):
    def file(self, data_set, run):
        return self.folder / f"tasks-{data_set.name}-{run.name}.json"

    def plan(self, data_set):
        """With what is finished."""
        def finished(run):
            file = self.file(data_set, run)
            return read_json(file) if file.exists() else None

        file = self.shared_file(data_set)
        return Plan(data_set, finished, read_json(file)["shared"] if file.exists() else None)

    def shared_file(self, data_set):
        return self.folder / f"tasks-{data_set.name}-shared.json"

    def count_shared(self, data_set):
        """Writes what batches save, as Plan.shared."""
        prepared = self.data(data_set)
        settings = {**self.settings(data_set, self.plan(data_set).split(0), prepared),
                    "data.validation": ""}
        output = self.output / f"{data_set.name}-stat.json"
        self.programs.run("lait-data", "stat", "--config", data_set.config, "--json", output,
                          *options(settings))
        rows = read_json(output)["train"]["savings"]
        write_json(self.shared_file(data_set),
                   {"shared": [round(row["percent_saved_in_batch"] / 100, 4) for row in rows],
                    **self.programs.made_by("cpu")})
        output.unlink()

    def settings(self, data_set, run, texts):
        """What the run sets in the task's config."""
        return {"model.path": self.model, f"model.{run.schedule[0]}": run.schedule[1],
                "model.segment_format": run.segment_format, "model.pooling": run.pooling or "",
                **WITHOUT_DROPOUT, "data.train": texts / "train.jsonl",
                "data.validation": texts / "selection.jsonl", "data.test": "", "data.bodies": "",
                "data.corpus": "", "data.wiki_pages": "", "training.learning_rate": run.rate,
                "training.seed": run.seed, "training.device": "cpu", **data_set.settings,
                **({} if run.shared else {"training.share_segments": "false"}),
                **self.length(data_set)}

    def train(self, data_set, run):
        """Trains, or goes on, and writes the run's JSON."""
        prepared = self.data(data_set)
        texts = prepared / f"only-{run.only}" if run.only else prepared
        folder = self.output / f"{data_set.name}-{run.name}"
        report, seconds = self.programs.train(data_set.config,
                                              self.settings(data_set, run, texts), folder)
        tests = {}
        for test in data_set.tests:
            file = texts / f"{test}.jsonl"
            row = self.programs.evaluate(folder, report, file, "cpu")
            tests[test] = {key: row[key] for key in ("examples", "truncated_examples", "metrics",
                                                     "flops")}
            if not run.only:
                tests[test]["outcomes"] = self.outcomes(data_set, folder, report, file, row)
        result = {
            "run": dataclasses.asdict(run),
            "data": read_json(prepared / "about.json"),
            "model": self.model.resolve().name,
            "config": without_paths((folder / "config.yaml").read_text(encoding="utf-8")),
            **{key: report[key] for key in ("precision", "steps", "best_step")},
            "selection": report["validation"],
            "tests": tests,
            **self.programs.made_by("cpu"),
            "seconds": seconds,
        }
        write_json(self.file(data_set, run), result)
        self.remove(folder)

    def outcomes(self, data_set, folder, report, file, row):
        """The sums of each cluster, as text. They must give the metric that lait-eval reports."""
        output = folder.with_name(folder.name + ".predicted")
        self.programs.run("lait-predict", "--checkpoint", folder, "--input", file, "--output",
                          output, "--device", "cpu", "--precision", report["precision"], "--quiet")
        found = [json.loads(line) for line in lines_of(output)]
        field = next(key for key in ("answer", "label", "score") if key in found[0])
        labels, clusters = examples_of(data_set, file)
        sums = cluster_sums(data_set.metric, clusters, labels, [line[field] for line in found])
        here, there = value(data_set.metric, add(*sums)), row["metrics"][data_set.metric]["value"]
        if abs(here - there) > 1e-5:
            fail(f"{file}: {data_set.metric} of the predictions is {here}, lait-eval's {there}")
        return packed(data_set.metric, sums)

    def write_page(self):
        plans = [self.plan(data_set) for data_set in DATA_SETS]
        write_between(self.page, "tasks", page_section(plans))

    def go_on(self, data_sets):
        for only_first in (True, False):
            for data_set in data_sets:
                for run in self.plan(data_set).runs(only_first):
                    if not self.file(data_set, run).exists():
                        self.train(data_set, run)
                        self.write_page()
                if not self.shared_file(data_set).exists():
                    self.count_shared(data_set)
        self.write_page()


def main(doc, kind, names):
    """Of a script that makes such results of the data sets of these names."""
    known = {data_set.name: data_set for data_set in DATA_SETS if data_set.name in names}
    args = arguments(doc, known)
    results = kind(args, ("lait-train", "lait-eval", "lait-predict", "lait-data"))
    results.go_on([known[name] for name in args.only or known])
    print(f"tables: {results.page}", file=sys.stderr)


if __name__ == "__main__":
    main(__doc__, Results, [data_set.name for data_set in DATA_SETS])
