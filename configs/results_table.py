"""The section "All tasks" of docs/results.md, from the runs' JSONs."""
import textwrap

from results_metrics import interval, unpacked
from results_plan import NUM_LAYERS
from results_runs import markdown, origin

FLOPS = ("score_context", "attention", "encoder")
MARGIN = 0.05  # by which the baseline must beat what reads no text, or one segment
CLOSE = 0.01   # of the baseline


def points(number):
    return f"{100 * number:.1f}".replace("-", "−")


def with_interval(parts):
    return "{} [{}, {}]".format(*map(points, parts))


def percent_saved(share):
    return f"{100 * (1 - share):.0f} %".replace("-", "−")


class Test:
    """A data set's runs on one reported split."""

    def __init__(self, plan, name):
        self.plan, self.name = plan, name
        self.metric = plan.data_set.metric
        self.is_complete = False
        self.baseline = plan.baseline()
        if not self.baseline:
            return
        self.like = plan.same_pooling()
        self.trivial_name, self.trivial = self.first(self.baseline)["data"]["trivial"][name]
        singles = [run for run in plan.singles() if self.first(run)]
        self.single = max(singles, key=self.value, default=None)
        self.is_complete = (all(map(self.first, plan.rows())) and
                            len(singles) == len(plan.data_set.segments))

    def first(self, run):
        return self.plan.finished(run)

    def of(self, run):
        return self.first(run)["tests"][self.name]

    def value(self, run):
        """Of seed 1."""
        return self.of(run)["metrics"][self.metric]["value"]

    def sums(self, run):
        return [unpacked(result["tests"][self.name]["outcomes"])
                for result in self.plan.seeds_of(run)]

    def mean(self, run):
        return interval(self.metric, self.sums(run))[0]

    def also(self, run):
        """The second metric, if there is one: the seeds' mean."""
        if not self.plan.data_set.also:
            return []
        values = [result["tests"][self.name]["metrics"][self.plan.data_set.also]["value"]
                  for result in self.plan.seeds_of(run)]
        return [points(sum(values) / len(values))]

    def difference(self, run):
        return interval(self.metric, self.sums(run), self.sums(self.baseline))

    def share(self, run, kind, execution="lait"):
        """Of what the baseline computes itself."""
        whole = self.of(self.baseline)["flops"][kind]["lait"]
        return self.of(run)["flops"][kind][execution] / whole

    def floor(self):
        return max(self.trivial, self.value(self.single))

    def learnt(self):
        return self.mean(self.baseline) >= self.floor() + MARGIN

    def close(self):
        """The split run within a point of the baseline that computes least; None: there is none."""
        near = [run for run in self.plan.standalone()
                if run.layers > 0 and run.shared and round(self.difference(run)[0], 6) >= -CLOSE]
        return min(near, key=lambda run: self.share(run, "score_context"), default=None)

    def row(self, label, run):
        sums, is_base = self.sums(run), run == self.baseline
        cells = [label, ", ".join(filter(None, (run.segment_format, run.pooling))), run.rate,
                 with_interval(interval(self.metric, sums)), *self.also(run), str(len(sums)),
                 "" if is_base else with_interval(self.difference(run))]
        for kind in FLOPS:
            flops = self.of(run)["flops"][kind]["lait"]
            cells.append(f"{flops / 1e6:.1f} M" if is_base else f"{self.share(run, kind):.2f}")
        cached = f"{self.share(run, 'encoder', 'lait_cached'):.2g}" if run.layers else ""
        return cells + [cached]

    def table(self):
        empty, also = [""] * 4, [self.plan.data_set.also] if self.plan.data_set.also else []
        nothing = [""] * len(also)
        rows = [["model", "segments, pooling", "learning rate", f"{self.metric} [95 %]", *also,
                 "seeds", "to the baseline [95 %]", "score and context FLOPs", "attention FLOPs",
                 "encoder FLOPs", "encoder, cached"]]
        rows.append([self.trivial_name, "", "", points(self.trivial), *nothing, "", "", *empty])
        if self.single:
            kind = ", ".join(filter(None, (self.single.segment_format, self.single.pooling)))
            rows.append([f"stock, {self.single.only} alone", kind, self.single.rate,
                         points(self.value(self.single)), *nothing, "1", "", *empty])
        names = {self.baseline: "P = 0 (stock), the baseline"}
        for run in self.plan.rows():
            split = run.segment_format == "standalone"
            label = names.get(run, run.words if split else "P = 0 (stock), pooled alike")
            rows.append(self.row(label, run) if self.first(run) else
                        [label, *[""] * 2, "not run yet", *nothing, *[""] * 6])
        return markdown(rows)

    def summary(self):
        """The data set's cells of the first table."""
        name = self.title()
        if not self.is_complete:
            return [name, "not run yet"]
        floor, base = points(self.floor()), points(self.mean(self.baseline))
        savings = self.savings(self.plan.split(NUM_LAYERS - 1))
        if not self.learnt():
            return [name, "not learnt at this size", floor, base, *savings]
        close = self.close()
        reached = [close.words, *self.savings(close)] if close else ["none"]
        return [name, "yes", floor, base, *savings, *reached]

    def savings(self, run):
        encoder, shared = self.share(run, "encoder"), ""
        if self.plan.shared and run.is_plain:
            shared = percent_saved(encoder * (1 - self.plan.shared[run.layers]))
        return [percent_saved(self.share(run, "score_context")), percent_saved(encoder), shared,
                percent_saved(self.share(run, "encoder", "lait_cached"))]

    def title(self):
        name = self.plan.data_set.name
        return name if len(self.plan.data_set.tests) == 1 else f"{name}: {self.name}"


def size_of(part):
    words = f"{part['examples']:,}"
    return words + (f" in {part['groups']:,} groups" if "groups" in part else "")


def about(plan):
    """The sizes of a data set, and on what its runs were made."""
    results = [result for run in plan.runs_so_far() if (result := plan.finished(run))]
    sizes = results[0]["data"]["sizes"]
    parts = "; ".join(f"{part} {size_of(size)}" for part, size in sizes.items())
    return origin(results, f"Examples: {parts}; epochs: {plan.data_set.epochs}")


def page_section(plans):
    saved = ["encoder saved", "shared in a batch", "with a cache"]
    header = ["data set", "learnt", "no text or one segment", "baseline",
              f"score and context saved at P = {NUM_LAYERS - 1}", *saved,
              "within a point of the baseline", "score and context saved", *saved]
    rows, sections = [header], []
    for plan in plans:
        tests = [Test(plan, name) for name in plan.data_set.tests]
        for test in tests:
            cells = test.summary()
            rows.append(cells + [""] * (len(header) - len(cells)))
            if test.baseline:
                sections.append(f"### {test.title()}\n\n{test.table()}\n")
        if tests[0].baseline:
            sections.append(about(plan) + "\n")
    words = ("Learnt: the baseline is five points above what reads no text and above the best "
             "single segment. Saved: of the FLOPs that the baseline itself executes; shared in a "
             "batch: training batches encode each distinct segment once.")
    summary = markdown(rows) + "\n" + textwrap.fill(words, 150) + "\n"
    return (summary + "\n" + "".join(sections)).rstrip("\n") + "\n"
