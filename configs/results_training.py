"""What the scripts that train MiniLM on the data sets of results_data.py share."""
import argparse
import pathlib
import shutil

from results_data import prepare, thinned
from results_runs import FOLDER, PAGE, ROOT, Programs, fail

MODEL = "all-MiniLM-L6-v2"
TRIAL_LINES = 60  # SQuAD's lines have a dozen questions each


def arguments(doc, known):
    """Of a script that trains on these data sets."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(formatter_class=raw, description=doc)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--output", type=pathlib.Path, help="data and runs (BUILD/results)")
    parser.add_argument("--only", action="append", default=[], metavar="DATA_SET")
    parser.add_argument("--steps", type=int, help="a trial of so many optimiser steps")
    args = parser.parse_args()
    for name in args.only:
        if name not in known:
            fail(f"--only: expected one of {', '.join(known)}, got '{name}'")
    return args


class DataSetRuns:
    """Where a script trains MiniLM on the data sets, and keeps what comes of it. `programs`: that
    it runs."""

    def __init__(self, args, programs):
        self.args = args
        self.model = args.build / "models" / MODEL
        if not (self.model / "config.json").exists():
            fail(f"expected a model in {self.model}, got nothing there; run make")
        self.programs = Programs(args.build, programs)
        self.data_folder = (args.output or args.build / "results") / "data"
        self.output = self.data_folder.parent
        self.folder, self.page = FOLDER, PAGE
        if args.steps:
            self.output = self.output / f"trial-{args.steps}"
            self.folder, self.page = self.output / "results", self.output / "results.md"

    def data(self, data_set):
        folder = prepare(self.programs, self.args.data, data_set, self.data_folder)
        if self.args.steps:
            few = 4 if data_set.task == "squad" else TRIAL_LINES
            folder = thinned(folder, self.output / "data", few)
        return folder

    def length(self, data_set):
        """How long a run is, as it is set in the config."""
        if self.args.steps:
            return {"training.steps": self.args.steps, "training.batch_size": 8}
        return {"training.epochs": data_set.epochs}

    def remove(self, folder):
        """A finished run's directory, and what is beside it under its name."""
        for rest in self.output.glob(folder.name + "*"):
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
