#!/usr/bin/env python3
"""Trains MiniLM with the recipe and its parts and fills "The recipe" in docs/results.md.

    configs/results_recipe.py --data DIR [--build build] [--only DATA_SET]... [--output DIR]
    configs/results_recipe.py --data DIR --steps 20            a trial, kept apart

DIR has a folder for each data set, as for results_tasks.py. Of each data set and seed are trained:

  1. the teacher: results_tasks.py's baseline, the stock model at its best on selection data
  2. the same model taught by it: a student at P = 0 with the recipe's labels
  3. models at P = 3 and 5 without the recipe and with it (lait-train --recipe preserve)
  4. for some, models at P = 3 with each of its ingredients, and a one-sided one with all

The reported split is read after training only. Runs that are results_tasks.py's, too, are shared
with it: the candidates for the baseline, the baseline, models without the recipe. The script can be
stopped (Ctrl-C, SIGTERM) and started again. A finished run leaves
docs/results/recipe-DATA_SET-RUN.json and is skipped from then on; a stopped one goes on where it
was. The page is written anew after each run.

A trial takes --steps steps of 8 examples, on the first lines of each file, and writes everything,
the JSONs and a copy of the page too, into BUILD/results/trial-STEPS.
"""
import dataclasses

from results_data import DATA_SETS
from results_metrics import interval, unpacked
from results_plan import Run
from results_runs import markdown, origin, read_json, write_between
from results_table import points, with_interval
from results_tasks import Results, main

NAMES = ("sick", "stsb", "wic", "answer_equivalence", "vitaminc", "mnli_snli", "boolq_split")
ABLATED = ("sick", "vitaminc", "mnli_snli")
CLOSE = 0.01   # of the baseline
SAVED = 0.30   # of its score and context FLOPs

BIAS, SOFT, RECOMBINED = "lexical bias", "soft labels", "recombined pairs"
TAUGHT = (SOFT, RECOMBINED)
# By P. Where one layer is joint, it computes the first row alone, which matches nothing.
ALL = {3: (BIAS, *TAUGHT), 5: TAUGHT}


@dataclasses.dataclass(frozen=True)
class Taught(Run):
    ingredients: tuple = ()

    @property
    def name(self):
        return "-".join([*(word.replace(" ", "_") for word in self.ingredients), super().name])

    def settings(self, teacher):
        distill = f"teacher: '{teacher}', temperature: 2, weight: 0.7"
        distill += ", recombine: 2" if RECOMBINED in self.ingredients else ""
        return {**({"model.lexical_bias": "true"} if BIAS in self.ingredients else {}),
                **({"training.distill": f"{{{distill}}}"} if SOFT in self.ingredients else {})}


def taught(run, *ingredients, **more):
    """Without ingredients it is one of results_tasks.py's runs."""
    if not ingredients:
        return dataclasses.replace(run, **more)
    return Taught(**{**dataclasses.asdict(run), **more}, ingredients=ingredients)


def ingredients_of(run):
    return getattr(run, "ingredients", ())


class Recipe(Results):
    def file(self, data_set, run):
        kind = "recipe" if isinstance(run, Taught) else "tasks"
        return self.folder / f"{kind}-{data_set.name}-{run.name}.json"

    def teacher(self, data_set, seed):
        return self.plan(data_set).baseline().with_seed(seed)

    def teacher_folder(self, data_set, seed):
        return self.output / f"{data_set.name}-teacher-seed{seed}"

    def students(self, data_set):
        """Of seed 1."""
        plan = self.plan(data_set)
        split = dataclasses.replace(plan.same_pooling(), segment_format="standalone", layers=3)
        out = [taught(plan.baseline(), *TAUGHT)]
        out += [taught(split, *ingredients, layers=layers)
                for layers in (3, 5) for ingredients in ((), ALL[layers])]
        if data_set.name in ABLATED:
            out += [taught(split, BIAS), taught(split, SOFT), taught(split, *TAUGHT),
                    taught(split, *ALL[3], updates="first")]
        return out

    def settings(self, data_set, run, texts):
        more = (run.settings(self.teacher_folder(data_set, run.seed))
                if isinstance(run, Taught) else {})
        return {**super().settings(data_set, run, texts), **more}

    def train_teacher(self, data_set, seed):
        """Where its weights are not there."""
        run, folder = self.teacher(data_set, seed), self.teacher_folder(data_set, seed)
        if not self.file(data_set, run).exists():
            self.train(data_set, run)
        self.programs.train(data_set.config, self.settings(data_set, run, self.data(data_set)),
                            folder)

    def go_on_with(self, data_set, seed):
        missing = [run for run in (s.with_seed(seed) for s in self.students(data_set))
                   if not self.file(data_set, run).exists()]
        if missing:
            self.train_teacher(data_set, seed)
        for run in missing:
            self.train(data_set, run)
            self.write_page()
        self.remove(self.teacher_folder(data_set, seed))

    def go_on(self, data_sets):
        for data_set in data_sets:
            for run in self.plan(data_set).candidates():
                if not self.file(data_set, run).exists():
                    self.train(data_set, run)
        for first in (True, False):
            for data_set in data_sets:
                for seed in data_set.seeds[:1] if first else data_set.seeds[1:]:
                    self.go_on_with(data_set, seed)
        self.write_page()

    def write_page(self):
        known = [data_set for data_set in DATA_SETS if data_set.name in NAMES]
        tables = [Table(self, data_set, test) for data_set in known
                  if self.plan(data_set).baseline() for test in data_set.tests]
        write_between(self.page, "recipe", page_section([t for t in tables if t.rows]))


class Table:
    """A data set's models on one reported split."""

    def __init__(self, recipe, data_set, test):
        self.recipe, self.data_set, self.test = recipe, data_set, test
        self.baseline = recipe.teacher(data_set, 1)
        self.rows = [run for run in recipe.students(data_set) if self.results(run)]

    def results(self, run):
        """Of the seeds that are finished, as far as the baseline's are."""
        pairs = []
        for seed in self.data_set.seeds:
            files = [self.recipe.file(self.data_set, r.with_seed(seed))
                     for r in (run, self.baseline)]
            if all(file.exists() for file in files):
                pairs.append([read_json(file) for file in files])
        return pairs

    def sums(self, results):
        return [unpacked(result["tests"][self.test]["outcomes"]) for result in results]

    def value(self, run):
        """(metric, of the baseline, difference), each with its interval."""
        mine, theirs = map(self.sums, zip(*self.results(run)))
        metric = self.data_set.metric
        return interval(metric, mine), interval(metric, theirs), interval(metric, mine, theirs)

    def share(self, run, kind):
        mine, theirs = (result["tests"][self.test]["flops"][kind]["lait"]
                        for result in self.results(run)[0])
        return mine / theirs

    def is_preserved(self, run):
        """Whether it is within a point of the baseline, and saves enough."""
        return (round(self.value(run)[2][0], 6) >= -CLOSE and
                self.share(run, "score_context") <= 1 - SAVED)

    def title(self):
        alone = len(self.data_set.tests) == 1
        return self.data_set.name if alone else f"{self.data_set.name}: {self.test}"

    def lines(self):
        rows = [["model", f"{self.data_set.metric} [95 %]", "seeds", "to the baseline [95 %]",
                 "score and context FLOPs", "encoder FLOPs"]]
        rows.append(["the stock model", with_interval(self.value(self.rows[0])[1]),
                     str(len(self.results(self.rows[0]))), "", "1.00", "1.00"])
        for run in self.rows:
            value, _, difference = self.value(run)
            rows.append([f"{run.words}: {' + '.join(ingredients_of(run)) or 'plain'}",
                         with_interval(value), str(len(self.results(run))),
                         with_interval(difference),
                         *(f"{self.share(run, kind):.2f}" for kind in ("score_context",
                                                                       "encoder"))])
        return markdown(rows)


def page_section(tables):
    if not tables:
        return "No run is finished yet.\n"
    header = ["data set", "stock", "stock, taught by itself"]
    header += [f"P = {p}, {how}" for p in (3, 5) for how in ("plain", "recipe")]
    summary = [header + ["within a point at 30 % fewer FLOPs"]]
    for table in tables:
        of = {(run.layers, ingredients_of(run)): run for run in table.rows if run.is_plain}
        cells = [table.title(), points(table.value(table.rows[0])[1][0])]
        for key in ((0, TAUGHT), (3, ()), (3, ALL[3]), (5, ()), (5, ALL[5])):
            cells.append(points(table.value(of[key])[0][0]) if key in of else "not run yet")
        kept = [f"P = {p}" for p in (3, 5)
                if (p, ALL[p]) in of and table.is_preserved(of[p, ALL[p]])]
        summary.append(cells + [", ".join(kept) or "no"])
    out = markdown(summary) + "\n"
    for table in tables:
        results = [mine for run in table.rows for mine, _ in table.results(run)]
        out += f"### {table.title()} with the recipe\n\n{table.lines()}\n"
        out += origin(results, f"Epochs: {table.data_set.epochs}") + "\n"
    return out.rstrip("\n") + "\n"


if __name__ == "__main__":
    main(__doc__, Recipe, NAMES)
