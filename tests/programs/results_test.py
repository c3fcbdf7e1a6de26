"""The pure parts of configs/results_tasks.py: metrics, intervals, what runs follow from results,
the page. Prints nothing if all is as expected."""
import dataclasses
import json
import pathlib
import random
import sys
import unittest

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
sys.path.insert(0, str(CONFIGS))

import results_data
import results_metrics as m
from results_plan import Plan
from results_table import page_section


class Metrics(unittest.TestCase):
    def value(self, metric, labels, got, clusters=None):
        return m.value(metric, m.add(*m.cluster_sums(metric, clusters, labels, got)))

    def test_values(self):
        self.assertEqual(self.value("accuracy", ["a", "b", "a", "a"], ["a", "a", "a", "b"]), 0.5)
        self.assertAlmostEqual(
            self.value("f1", ["true", "true", "false"], ["true", "false", "true"]), 0.5)
        # A related pair: a quarter for that, three quarters for the stance. Of 1 + 1 + 0.25.
        self.assertAlmostEqual(self.value("fnc1_score", ["agree", "discuss", "unrelated"],
                                          ["agree", "agree", "unrelated"]), 1.5 / 2.25)
        self.assertAlmostEqual(self.value("pearson", [1, 2, 3], [2, 4, 6]), 1)
        self.assertEqual(self.value("pearson", [1, 2, 3], [2, 2, 2]), 0)
        self.assertAlmostEqual(
            self.value("answer_f1", [["a red fox", "dog"], []], ["Red cat!", ""]), (0.5 + 1) / 2)
        # Equal scores rank in the worst order; a query without a relevant passage does not count.
        self.assertAlmostEqual(self.value("map", [1, 0, 1, 0, 0], [3, 2, 2, 1, 1], list("qqqrr")),
                               (1 + 2 / 3) / 2)

    def test_random_order_is_the_mean_over_all_orders(self):
        labels, total = [1, 0, 0, 1, 0], 0.0
        draw = random.Random(1)
        for _ in range(20000):
            total += m.average_precision([(label, draw.random()) for label in labels])
        self.assertAlmostEqual(total / 20000, m.random_average_precision(labels), delta=0.005)

    def test_what_needs_no_text(self):
        self.assertEqual(m.trivial("accuracy", list("aab"), None, list("abbb")),
                         ("always a", 0.25))
        self.assertEqual(m.trivial("f1", ["true", "false"], None, ["true", "false"])[0],
                         "always true")
        self.assertEqual(m.trivial("answer_f1", [[]], None, [[], ["x"]]),
                         ("no answer, always", 0.5))

    def test_packed_sums_come_back(self):
        for metric, labels, got, clusters in (
                ("accuracy", list("aab"), list("abb"), None),
                ("accuracy", list("aab"), list("abb"), list("ppq")),
                ("pearson", [1.25, 2, 3], [0.5, 2, 7], None),
                ("f1", ["true", "false"], ["true", "true"], [1, 2])):
            sums = m.cluster_sums(metric, clusters, labels, got)
            self.assertEqual(m.unpacked(m.packed(metric, sums)),
                             [tuple(float(part) for part in row) for row in sums])

    def test_intervals(self):
        draw = random.Random(2)
        right = [(float(draw.random() < 0.8), 1.0) for _ in range(1000)]
        mean, low, high = m.interval("accuracy", [right])
        half = 1.96 * (mean * (1 - mean) / 999) ** 0.5  # of a mean the jackknife is exact
        self.assertAlmostEqual(low, mean - half)
        self.assertAlmostEqual(high, mean + half)
        self.assertEqual(m.interval("accuracy", [right], [right]), (0, 0, 0))
        # Seeds that differ widen the interval.
        other = [(float(hit == 0.0), 1.0) for hit, _ in right]
        wide = m.interval("accuracy", [right, other])
        self.assertAlmostEqual(wide[0], 0.5)
        self.assertLess(wide[1], 0.5 - half)


class Data(unittest.TestCase):
    def data_set(self, name):
        return next(d for d in results_data.DATA_SETS if d.name == name)

    def test_one_segment_is_left(self):
        line = json.dumps({"segments": ["q", "p1", "p2"], "groups": [0, 1, 1], "label": "yes"})
        boolq = self.data_set("boolq_split")
        passage = json.loads(results_data.with_one(boolq, line, "passage"))
        self.assertEqual(passage["segments"], [".", "p1", "p2"])
        question = json.loads(results_data.with_one(boolq, line, "question"))
        self.assertEqual(question["segments"], ["q", ".", "."])
        self.assertEqual(question["label"], "yes")
        cut = json.loads(results_data.cut(line.replace("p1", "p1 is long"), 2))
        self.assertEqual(cut["segments"], ["q", "p1 is", "p2"])
        asked = {"context": "c", "qas": [{"question": "q", "answers": []}]}
        blank = json.loads(results_data.with_one(self.data_set("squad"), json.dumps(asked),
                                                 "passage"))
        self.assertEqual(blank["qas"][0]["question"], ".")
        self.assertEqual(blank["context"], "c")

    def test_every_config_and_part_is_there(self):
        for data_set in results_data.DATA_SETS:
            self.assertTrue((CONFIGS / data_set.config).exists(), data_set.name)
            parts = {part for source in data_set.sources for part in source.parts}
            self.assertLessEqual({"train", "selection", *data_set.tests}, parts)


class Page(unittest.TestCase):
    def result(self, run):
        """A run whose stock model is better with cls and 1e-4, and which splitting costs little."""
        accuracy = 0.9 if run.pooling == "cls" and run.rate == "1e-4" else 0.8
        accuracy = 0.5 if run.only else accuracy
        hits = int(100 * accuracy) + (9 if run.layers == 3 else 0)
        metric = {"accuracy": {"value": hits / 100}}
        flops = {kind: {"lait": 1e6 * (10 - run.layers), "lait_cached": 1e6}
                 for kind in ("score_context", "attention", "encoder")}
        outcomes = m.packed("accuracy", [(float(i < hits), 1.0) for i in range(100)])
        return {
            "run": dataclasses.asdict(run),
            "data": {"sizes": {"train": {"examples": 1000}},
                     "trivial": {"test": ["always a", 0.4]}},
            "selection": {"metrics": metric},
            "tests": {"test": {"metrics": metric, "flops": flops, "outcomes": outcomes}},
            "machine": "m", "precision": "bf16", "version": "v", "date": "d", "seconds": 60,
        }

    def section(self, is_there, **more):
        data_set = next(d for d in results_data.DATA_SETS if d.name == "sick")
        data_set = dataclasses.replace(data_set, **more)
        plan = Plan(data_set, lambda run: self.result(run) if is_there(run) else None,
                    [0, 0.1, 0.1, 0.2, 0.2, 0.5, 0.5])
        return plan, page_section([plan])

    def test_nothing_is_run(self):
        self.assertIn("| sick | not run yet |", self.section(lambda run: False)[1])

    def test_a_second_metric_has_a_column(self):
        page = self.section(lambda run: not run.only, also="accuracy")[1]
        self.assertIn("| accuracy [95 %] | accuracy | seeds |", page)
        table = [line for line in page.splitlines() if line.startswith(("| model", "| P ="))]
        self.assertEqual({line.count("|") for line in table}, {12})
        self.assertRegex(table[1], r"\| 90\.0 \[[^|]*\] \| 90\.0 \|")

    def test_all_is_run(self):
        plan, page = self.section(lambda run: True)
        self.assertEqual(plan.baseline().name, "pair-p0-cls-lr1e-4-seed1")
        self.assertEqual([run.name for run in plan.runs(True)][-2:],
                         ["only-sentence_A-pair-p0-cls-lr1e-4-seed1",
                          "only-sentence_B-pair-p0-cls-lr1e-4-seed1"])
        self.assertEqual(len(list(plan.runs(False))), 4 + 3 + 2 + 2 * 5)
        # P = 3 has 89 right of 100, the baseline 90; P = 5 has 80.
        self.assertIn("| sick | yes | 50.0 | 90.0 | 50 % | 50 % | 75 % | 90 % | P = 3 of 6 | "
                      "30 % | 30 % | 44 % | 90 % |", page)
        self.assertIn("| P = 0 (stock), the baseline | pair, cls | 1e-4 | 90.0 [", page)
        self.assertIn("Examples: train 1,000; epochs: 3; machine: m", page)
        self.assertTrue(all(len(line) <= 160 for line in page.splitlines() if line[:1] != "|"))

    def test_one_sided_runs(self):
        plan, page = self.section(lambda run: True, one_sided=(3,))
        run = plan.standalone()[3]
        self.assertEqual(run.name, "standalone-p3-one-sided-cls_segments-lr5e-5-seed1")
        self.assertEqual(run.schedule, ("schedule", "[{num_layers: 3, scope: segment}, "
                                        "{num_layers: 3, scope: example, updates: first}]"))
        self.assertIn("| P = 3 of 6 | standalone", page)
        self.assertIn("| P = 3 of 6, one-sided | standalone", page)

    def test_runs_with_three_scopes(self):
        plan, page = self.section(lambda run: True, hierarchies=((3, 2),))
        run = plan.standalone()[3]
        self.assertEqual(run.name, "standalone-p3-groups2-cls_segments-lr5e-5-seed1")
        self.assertEqual(run.schedule, ("schedule", "[{num_layers: 3, scope: segment}, "
                                        "{num_layers: 2, scope: group}, "
                                        "{num_layers: 1, scope: example}]"))
        self.assertIn("| P = 3 of 6, 2 by group | standalone", page)

    def test_unshared_runs(self):
        plan, page = self.section(lambda run: True, unshared=(3,))
        self.assertEqual(plan.standalone()[3].name,
                         "standalone-p3-unshared-cls_segments-lr5e-5-seed1")
        self.assertEqual(plan.split(3), plan.standalone()[1])
        self.assertIn("| P = 3 of 6, unshared batches | standalone", page)

    def test_half_is_run(self):
        page = self.section(lambda run: run.segment_format == "pair" and not run.only)[1]
        self.assertIn("| sick | not run yet |", page)
        self.assertIn("| P = 3 of 6 |  |  | not run yet |", page)


if __name__ == "__main__":
    unittest.main()
