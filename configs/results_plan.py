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
    groups: int = 0  # so many layers from P on see their group of segments
    shared: bool = True  # batches encode common segments once, if the data have enough of them

    @property
    def name(self):
        kind = f"{self.segment_format}-p{self.layers}"
        kind += f"-groups{self.groups}" if self.groups else ""
        kind += "-one-sided" if self.updates == "first" else ""
        kind += "" if self.shared else "-unshared"
        parts = [f"only-{self.only}"] if self.only else []
        parts += [kind, *([self.pooling] if self.pooling else []), f"lr{self.rate}"]
        return "-".join([*parts, f"seed{self.seed}"])

    @property
    def schedule(self):
        """The key of model: and its value."""
        if self.is_plain:
            return "independent_layers", self.layers
        updates = ", updates: first" if self.updates == "first" else ""
        stages = [(self.layers, "segment"), (self.groups, "group"),
                  (NUM_LAYERS - self.layers - self.groups, "example" + updates)]
        return "schedule", "[{}]".format(", ".join(
            f"{{num_layers: {count}, scope: {scope}}}" for count, scope in stages if count))

    @property
    def is_plain(self):
        """P layers see single segments, the others all."""
        return self.updates == "all" and not self.groups

    @property
    def words(self):
        """Of its schedule, and how it is trained."""
        return f"P = {self.layers} of {NUM_LAYERS}" + \
            (f", {self.groups} by group" if self.groups else "") + \
            (", one-sided" if self.updates == "first" else "") + \
            ("" if self.shared else ", unshared batches")

    def with_seed(self, seed):
        return dataclasses.replace(self, seed=seed)


class Plan:
    """`finished(run)`: its JSON, or None. The later runs follow from the earlier ones' results.
    `shared`: by P, the share of the encoder's FLOPs that a batch saves; None: not known yet."""

    def __init__(self, data_set, finished, shared=None):
        self.data_set = data_set
        self.finished = finished
        self.shared = shared

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
        kinds = [dict(layers=layers) for layers in SPLITS]
        kinds += [dict(layers=layers, updates="first") for layers in self.data_set.one_sided]
        kinds += [dict(layers=layers, groups=groups)
                  for layers, groups in self.data_set.hierarchies]
        kinds += [dict(layers=layers, shared=False) for layers in self.data_set.unshared]
        return [dataclasses.replace(like, segment_format="standalone", **kind) for kind in kinds]

    def split(self, layers):
        """The standalone run that is split at P and has no third scope."""
        return next(run for run in self.standalone()
                    if run.layers == layers and run.is_plain and run.shared)

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
