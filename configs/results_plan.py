"""Which runs results_tasks.py makes of a data set, and which of them are rows of its table."""
import dataclasses
import itertools

RATES = ("5e-5", "1e-4")
NUM_LAYERS = 6  # of MiniLM
SPLITS = (0, 3, 5)  # P of the standalone runs


@dataclasses.dataclass(frozen=True)
class Run:
    segment_format: str
    pooling: str | None  # None: the head does not pool
    layers: int
    rate: str
    seed: int = 1
    only: str = ""  # the only segment that has its text
    updates: str = "all"  # "first": the layers from P on are one-sided

    @property
    def name(self):
        sided = "-one-sided" if self.updates == "first" else ""
        kind = f"{self.segment_format}-p{self.layers}{sided}"
        parts = [f"only-{self.only}"] if self.only else []
        parts += [kind, *([self.pooling] if self.pooling else []), f"lr{self.rate}"]
        return "-".join([*parts, f"seed{self.seed}"])

    @property
    def schedule(self):
        """The key of model: and its value."""
        if self.updates == "all":
            return "independent_layers", self.layers
        joint = f"num_layers: {NUM_LAYERS - self.layers}, scope: example, updates: {self.updates}"
        return "schedule", f"[{{num_layers: {self.layers}, scope: segment}}, {{{joint}}}]"

    def with_seed(self, seed):
        return dataclasses.replace(self, seed=seed)


class Plan:
    """`finished(run)`: its JSON, or None. The later runs follow from the earlier ones' results."""

    def __init__(self, data_set, finished):
        self.data_set = data_set
        self.finished = finished

    def candidates(self):
        return [Run("pair", pooling, 0, rate)
                for pooling, rate in itertools.product(self.data_set.poolings, RATES)]

    def best(self, runs):
        """The best on selection data; None unless all are finished."""
        found = [self.finished(run) for run in runs]
        if None in found:
            return None
        metric = self.data_set.metric
        scores = [result["selection"]["metrics"][metric]["value"] for result in found]
        return runs[scores.index(max(scores))]

    def baseline(self):
        return self.best(self.candidates())

    def same_pooling(self):
        """The stock model that pools as the split ones."""
        pooling = self.data_set.poolings[-1]
        return self.best([run for run in self.candidates() if run.pooling == pooling])

    def standalone(self):
        like = self.same_pooling()
        kinds = [(layers, "all") for layers in SPLITS]
        kinds += [(layers, "first") for layers in self.data_set.one_sided]
        return [dataclasses.replace(like, segment_format="standalone", layers=layers,
                                    updates=updates)
                for layers, updates in kinds]

    def singles(self):
        return [dataclasses.replace(self.baseline(), only=segment)
                for segment in self.data_set.segments]

    def rows(self):
        """What the table compares, of seed 1; the baseline first."""
        stock = [self.baseline()]
        return stock + [run for run in (self.same_pooling(),) if run not in stock] + \
            self.standalone()

    def runs(self, only_first_seed):
        """In order. Reads what is finished when it gets there."""
        yield from self.candidates()
        yield from self.standalone()
        yield from self.singles()
        if only_first_seed:
            return
        for seed in self.data_set.seeds[1:]:
            for run in self.rows():
                yield run.with_seed(seed)

    def runs_so_far(self):
        """Those that are known, finished or not."""
        rows = self.rows() + self.singles() if self.baseline() else []
        more = [run.with_seed(seed) for run in rows for seed in self.data_set.seeds[1:]]
        return [*self.candidates(), *rows, *more]

    def seeds_of(self, run):
        """The finished results of the run's seeds."""
        found = [self.finished(run.with_seed(seed)) for seed in self.data_set.seeds]
        return [result for result in found if result]
