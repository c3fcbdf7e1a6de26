"""Metrics of stored predictions, and their 95 % intervals, for results_tasks.py.

What a run leaves of its predictions is small: each metric here is a function of sums over examples,
so a list of the sums of each cluster is enough for paired differences later, on any machine. A
cluster is what lait-eval draws together: the examples of a passage or of a query, or one example.

Intervals are 1.96 standard errors of the jackknife over clusters, of a difference with both models
on the same clusters. Over several seeds it is the mean, and Student's t over the seeds is added as
an independent error, as lait-eval does.
"""
import collections
import math
import re
import string

STUDENT = {2: 12.7062, 3: 4.3027}  # 97.5 % quantiles, by the number of seeds


def words_of(text):
    """As SQuAD's script compares answers."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def answer_f1(gold, answer):
    """Of the best correct answer; without one, whether none was given."""
    best = 0.0
    for right in gold or [""]:
        a, b = words_of(right), words_of(answer)
        both = sum((collections.Counter(a) & collections.Counter(b)).values())
        if not a or not b:
            best = max(best, float(a == b))
        elif both:
            best = max(best, 2 * both / (len(a) + len(b)))
    return best


def average_precision(pairs):
    """Of a query's (label, score) pairs; passages of equal scores rank in the worst order."""
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    found, total = 0, 0.0
    for rank, (label, _) in enumerate(ranked, 1):
        if label > 0:
            found += 1
            total += found / rank
    return total / found


def random_average_precision(labels):
    """Expected of a query's passages in random order."""
    n, relevant = len(labels), sum(label > 0 for label in labels)
    if n == 1:
        return 1.0
    others = (relevant - 1) / (n - 1)
    return sum((1 + (k - 1) * others) / k for k in range(1, n + 1)) / n


def share(part, whole):
    return part / whole if whole else 0.0


def pearson(n, x, y, xx, yy, xy):
    a, b = n * xx - x * x, n * yy - y * y
    return (n * xy - x * y) / math.sqrt(a * b) if a > 0 and b > 0 else 0.0


def fnc1_sums(label, got):
    related = label != "unrelated"
    score = (0.75 if related else 0.25) if got == label else 0
    return score + 0.25 * (related and got != "unrelated"), 1 if related else 0.25


# Of an example's label and prediction.
SUMS = {
    "accuracy": lambda label, got: (label == got, 1),
    "f1": lambda label, got: (label == got == "true", (label == "true") + (got == "true")),
    "fnc1_score": fnc1_sums,
    "pearson": lambda x, y: (1, x, y, x * x, y * y, x * y),
    "answer_f1": lambda gold, answer: (answer_f1(gold, answer), 1),
}
VALUES = {"f1": lambda both, all_: share(2 * both, all_), "pearson": pearson}


def cluster_sums(metric, clusters, labels, predictions):
    """The sums of each cluster, in their first order. `clusters`: of each example, or None."""
    found = {}
    for i, (label, got) in enumerate(zip(labels, predictions, strict=True)):
        found.setdefault(i if clusters is None else clusters[i], []).append((label, got))
    if metric == "map":  # queries without a relevant passage do not count
        pairs = [pairs for pairs in found.values() if any(label > 0 for label, _ in pairs)]
        return [(average_precision(query), 1) for query in pairs]
    of_example = SUMS[metric]
    return [add(*(of_example(*pair) for pair in pairs)) for pairs in found.values()]


def add(*rows):
    return tuple(float(sum(column)) for column in zip(*rows))


def value(metric, sums):
    return VALUES.get(metric, share)(*sums)


def packed(metric, sums):
    """The sums as one short text."""
    if metric == "accuracy" and all(row[1] == 1 for row in sums):
        return "hits:" + "".join("01"[int(row[0])] for row in sums)
    if metric == "pearson" and all(row[0] == 1 for row in sums):
        return "pairs:" + ";".join(f"{row[1]:.9g},{row[2]:.9g}" for row in sums)
    return "sums:" + ";".join(",".join(f"{part:.9g}" for part in row) for row in sums)


def unpacked(text):
    kind, values = text.split(":")
    if kind == "hits":
        return [(float(digit), 1.0) for digit in values]
    rows = [tuple(float(part) for part in row.split(",")) for row in values.split(";")]
    return [add(SUMS["pearson"](*row)) for row in rows] if kind == "pairs" else rows


def interval(metric, runs, reference=()):
    """(value, low, high) of the mean over the runs' sums, minus that of the reference's."""
    whole = [add(*sums) for sums in (*runs, *reference)]
    signs = [1 / len(runs) for _ in runs] + [-1 / len(reference) for _ in reference]

    def mean(totals):
        return sum(sign * value(metric, total) for sign, total in zip(signs, totals))

    def without(cluster):
        rows = (sums[cluster] for sums in (*runs, *reference))
        return mean([tuple(a - b for a, b in zip(*pair)) for pair in zip(whole, rows)])

    n = len(runs[0])
    parts = [without(cluster) for cluster in range(n)] if n > 1 else []
    centre = sum(parts) / n
    half = 1.96 * math.sqrt((n - 1) / n * sum((part - centre) ** 2 for part in parts))
    groups = [group for group in (runs, reference) if group]
    fewest = min(len(group) for group in groups)
    if fewest > 1:
        squared = sum(squared_error(metric, group) for group in groups)
        half = math.hypot(half, STUDENT[fewest] * math.sqrt(squared))
    middle = mean(whole)
    return middle, max(middle - half, -1), min(middle + half, 1)


def squared_error(metric, runs):
    values = [value(metric, add(*sums)) for sums in runs]
    centre = sum(values) / len(values)
    return sum((v - centre) ** 2 for v in values) / (len(values) - 1) / len(values)


def trivial(metric, train_labels, clusters, labels):
    """(name, value) of what needs no text: the best constant class of the training data, and what
    fits other metrics."""
    if metric == "pearson":
        return "the mean", 0.0
    if metric == "map":
        queries = {}
        for query, label in zip(clusters, labels, strict=True):
            queries.setdefault(query, []).append(label)
        counted = [query for query in queries.values() if any(label > 0 for label in query)]
        return "random order", sum(map(random_average_precision, counted)) / len(counted)
    if metric == "answer_f1":
        constants, words = [""], "no answer, always"
    else:
        constants, words = sorted(set(train_labels)), "always {}"

    def of(constant, all_):
        sums = cluster_sums(metric, None, all_, [constant] * len(all_))
        return value(metric, add(*sums))

    best = max(constants, key=lambda constant: of(constant, train_labels))
    return words.format(best), of(best, labels)
