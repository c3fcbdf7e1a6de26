"""The data sets of results_tasks.py: which files, how they are split, and what is kept of them.

Each is prepared once, into train.jsonl, selection.jsonl (a part of the training data, by which
models are chosen) and a file for each reported split; with `lait-data split`, so that what shares a
passage, question or page is in one part, and `lait-data export`. Long ones are thinned out by whole
groups. only-SEGMENT/ has the files in which every other segment is a full stop.

A file is split into equal pieces, of which a part is several: `lait-data split` gives the largest
groups to the largest shares, so unequal ones would differ in their mix of large and small groups.
"""
import dataclasses
import json
import os
import shutil

from results_metrics import trivial
from results_runs import data_file, options, write, write_json


@dataclasses.dataclass
class Source:
    """A file of a task, and how many of its equal pieces each part is. What is called "rest" is
    left out. `by`: of `lait-data split`; none: the file is not split."""
    task: str
    config: str
    file: str
    parts: dict
    by: str = ""
    # By key: the file with texts that it names.
    texts: dict = dataclasses.field(default_factory=dict)
    # How a table is read that `lait-data split` does not take as it is.
    columns: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class DataSet:
    name: str
    task: str
    config: str
    metric: str
    segments: tuple  # those that may be the only one
    sources: list
    tests: tuple = ("test",)
    epochs: int = 3
    seeds: tuple = (1,)
    one_sided: tuple = ()  # P of one-sided runs
    hierarchies: tuple = ()  # (P, layers by group) of runs with three scopes
    unshared: tuple = ()  # P of runs whose batches encode what examples share again and again
    also: str = ""  # a second metric of the table
    poolings: tuple = ("cls", "cls_segments")
    settings: dict = dataclasses.field(default_factory=dict)
    # Of a segment. Cut here, so that models of each format read the same text.
    most_words: int | None = None
    cluster: str = ""  # the field of what metrics draw together; "segments": the first segment


def two_files(task, config, folder, train, test, by, parts=(7, 1, 0), tested=(1, 0), **more):
    """Training data, of which a part is for selection, and test data: all of it, or a half."""
    first = dict(zip(("train", "selection", "rest"), parts))
    second = dict(zip(("test", "rest"), tested))
    return [Source(task, config, f"{folder}/{train}", first, by, **more),
            Source(task, config, f"{folder}/{test}", second, by if tested[1] else "", **more)]


def nli(task):
    config, test = f"{task}_split4.yaml", "dev_matched" if task == "mnli" else "dev"
    parts = {"train": 9, "selection": 1}
    return [Source(task, config, f"{task}/train_9k.jsonl", parts, "premise"),
            Source(task, config, f"{task}/{test}.jsonl", {f"{task}_{test}": 1})]


def boolq(name):
    config = f"{name}_split4.yaml"
    return two_files(name, config, "boolq", "train.jsonl", "dev.jsonl", "title")


SCIFACT = {"data.format": "csv", "data.columns.label": "entailment",
           "data.columns.segments": "[sentence2,sentence1]"}
BODIES = {"data.bodies": "fnc1/train_bodies.csv"}
# The cheapest first.
DATA_SETS = [
    DataSet("scifact", "scifact", "scifact_split4.yaml", "accuracy", ("claim", "evidence"),
            two_files("scifact", "scifact_split4.yaml", "scifact/rte_scifact", "train.tsv",
                      "dev.tsv", "sentence1,sentence2", columns=SCIFACT), epochs=5),
    DataSet("sick", "sick", "sick_split3.yaml", "accuracy", ("sentence_A", "sentence_B"),
            [Source("sick", "sick_split3.yaml", f"sick/SICK_{file}.txt", {part: 1})
             for file, part in (("train", "train"), ("trial", "selection"),
                                ("test_annotated", "test"))], seeds=(1, 2, 3)),
    DataSet("stsb", "stsb", "stsb_split4.yaml", "pearson", ("sentence1", "sentence2"),
            two_files("stsb", "stsb_split4.yaml", "stsb", "train.tsv", "dev.tsv",
                      "sentence1,sentence2")),
    DataSet("wic", "wic", "wic_split4.yaml", "accuracy", ("sentence1", "sentence2"),
            two_files("wic", "wic_split4.yaml", "superglue/WiC", "train.jsonl", "val.jsonl",
                      "word")),
    DataSet("rte", "rte", "rte_split4.yaml", "accuracy", ("premise", "hypothesis"),
            two_files("rte", "rte_split4.yaml", "superglue/RTE", "train.jsonl", "val.jsonl",
                      "premise")),
    DataSet("answer_equivalence", "answer_equivalence", "answer_equivalence_split4.yaml",
            "accuracy", ("question", "reference", "candidate"),
            two_files("answer_equivalence", "answer_equivalence_split4.yaml", "answer_equivalence",
                      "train.jsonl", "dev.jsonl", "question"), cluster="segments"),
    DataSet("wikiqa", "ranking", "ranking_split11.yaml", "map", ("query", "passage"),
            [Source("ranking", "ranking_split11.yaml", f"wikiqa/{file}.jsonl", {part: 1})
             for file, part in (("train", "train"), ("dev", "selection"), ("test", "test"))],
            seeds=(1, 2, 3), one_sided=(3, 5), also="mrr", cluster="query_id"),
    DataSet("vitaminc", "vitaminc", "vitaminc_split4.yaml", "accuracy", ("claim", "evidence"),
            two_files("vitaminc", "vitaminc_split4.yaml", "vitaminc", "train.jsonl", "dev.jsonl",
                      "page", (7, 1, 9), (1, 1)), epochs=2, seeds=(1, 2, 3)),
    DataSet("fever", "fever", "fever_split4.yaml", "accuracy", ("claim", "evidence"),
            [Source("fever", "fever_split4.yaml", "fever/rte_fever_dev",
                    {"train": 8, "selection": 1, "test": 4, "rest": 5}, "claim,evidence")],
            epochs=2),
    DataSet("mnli_snli", "mnli", "mnli_split4.yaml", "accuracy", ("premise", "hypothesis"),
            nli("mnli") + nli("snli"), tests=("mnli_dev_matched", "snli_dev"), epochs=2,
            seeds=(1, 2, 3)),
    DataSet("boolq", "boolq", "boolq_split4.yaml", "accuracy", ("question", "passage"),
            boolq("boolq")),
    DataSet("boolq_split", "boolq_split", "boolq_split_split4.yaml", "accuracy",
            ("question", "passage"), boolq("boolq_split"), hierarchies=((3, 1), (3, 2))),
    DataSet("squad", "squad", "squad_split4.yaml", "answer_f1", ("passage",),
            [Source("squad", "", "squad/dev-v2.0-half.json",
                    {"train": 5, "selection": 1, "test": 2}, "title")],
            epochs=2, poolings=(None,), settings={"training.head_learning_rate_factor": 10},
            cluster="context"),
    DataSet("multirc", "multirc", "multirc_split11.yaml", "f1", ("passage", "question", "answer"),
            two_files("multirc", "multirc_split11.yaml", "superglue/MultiRC", "train.jsonl",
                      "val.jsonl", "idx", (3, 1, 26), (1, 1)), epochs=2, unshared=(5,),
            cluster="passage_id"),
    DataSet("fnc1", "fnc1", "fnc1_split11.yaml", "fnc1_score", ("headline", "article"),
            [Source("fnc1", "fnc1_split11.yaml", "fnc1/train_stances.csv",
                    {"train": 4, "selection": 1, "test": 2, "rest": 43}, "Body ID", BODIES)],
            epochs=2, unshared=(5,), most_words=180, cluster="Body ID"),
]


def lines_of(file):
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def cut(line, most_words):
    record = json.loads(line)
    record["segments"] = [" ".join(text.split()[:most_words]) for text in record["segments"]]
    return json.dumps(record, ensure_ascii=False)


def with_one(data_set, line, keep):
    """The record with a full stop in place of every segment but `keep`."""
    record = json.loads(line)
    if "qas" in record:  # SQuAD's paragraphs; the passage is kept
        for question in record["qas"]:
            question["question"] = "."
    else:
        # boolq_split's pieces of the passage are a group.
        groups = record.get("groups", range(len(record["segments"])))
        kept = data_set.segments.index(keep)
        record["segments"] = [text if group == kept else "."
                              for text, group in zip(record["segments"], groups, strict=True)]
    return json.dumps(record, ensure_ascii=False)


def examples_of(data_set, file):
    """(labels, clusters) of the file's examples; of a question its correct answers."""
    labels, clusters = [], []
    for record in map(json.loads, lines_of(file)):
        for question in record.get("qas", ()):
            has_none = question.get("is_impossible", False)
            labels.append([] if has_none else [a["text"] for a in question["answers"]])
            clusters.append(record["context"])
        if "qas" not in record:
            labels.append(record["label"])
            field = record.get(data_set.cluster)
            clusters.append(field[0] if isinstance(field, list) else field)
    return labels, clusters if data_set.cluster else None


def export(programs, config, file, settings, output):
    """The file's examples, as the config's task reads them."""
    pairs = {"data.train": file, "data.validation": "", "data.test": "", "data.corpus": "",
             "data.wiki_pages": "", **settings}
    output.parent.mkdir(parents=True, exist_ok=True)
    programs.run("lait-data", "export", "--config", config, *options(pairs), "--output", output)
    return output


def export_source(programs, data, source, folder):
    """Writes folder/PART/NAME.jsonl, the parts of the file."""
    file, name = data_file(data, source.file), source.file.replace("/", "-") + ".jsonl"
    if source.columns:
        file = export(programs, source.config, file, source.columns, folder / "flat" / name)
    if source.by:
        names = [f"{part}-{i}" for part, count in source.parts.items() for i in range(count)]
        out = folder / "native" / name
        programs.run("lait-data", "split", "--task", source.task, "--input", file, "--by",
                     source.by, "--shares", ",".join("1" for _ in names), "--names",
                     ",".join(names), "--output", out)
        pieces = sorted(out.iterdir())
    else:
        pieces = [file]
    texts = {key: data_file(data, path) for key, path in source.texts.items()}
    for piece in pieces:
        part = piece.name.split("-")[0] if source.by else next(iter(source.parts))
        if part == "rest":
            continue
        output = folder / part / f"{name}-{piece.name}.jsonl"
        if source.config:
            export(programs, source.config, piece, texts, output)
        else:  # its lines are what the task reads
            write(output, piece.read_text(encoding="utf-8"))


def prepare(programs, data, data_set, folder):
    """The folder with the data set's files; makes it unless it is there."""
    done = folder / data_set.name
    if done.exists():
        return done
    work = folder / (data_set.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    for source in data_set.sources:
        export_source(programs, data, source, work / "parts")
    sizes = {}
    for part in ("train", "selection", *data_set.tests):
        lines = [line for file in sorted((work / "parts" / part).iterdir())
                 for line in lines_of(file)]
        if data_set.most_words:
            lines = [cut(line, data_set.most_words) for line in lines]
        write(work / f"{part}.jsonl", "\n".join(lines) + "\n")
        for keep in data_set.segments:
            blanked = [with_one(data_set, line, keep) for line in lines]
            write(work / f"only-{keep}" / f"{part}.jsonl", "\n".join(blanked) + "\n")
        labels, clusters = examples_of(data_set, work / f"{part}.jsonl")
        sizes[part] = {"examples": len(labels)}
        if clusters:
            sizes[part]["groups"] = len(set(clusters))
    shutil.rmtree(work / "parts")
    train_labels, _ = examples_of(data_set, work / "train.jsonl")
    needs_no_text = {}
    for part in data_set.tests:
        labels, clusters = examples_of(data_set, work / f"{part}.jsonl")
        needs_no_text[part] = trivial(data_set.metric, train_labels, clusters, labels)
    write_json(work / "about.json", {"sizes": sizes, "trivial": needs_no_text})
    os.replace(work, done)
    return done


def thinned(prepared, folder, num_lines):
    """A copy with the first lines of each file, for trials."""
    copy = folder / prepared.name
    if not copy.exists():
        work = folder / (prepared.name + ".part")
        shutil.rmtree(work, ignore_errors=True)
        for file in sorted(prepared.rglob("*.jsonl")):
            lines = lines_of(file)[:num_lines]
            write(work / file.relative_to(prepared), "\n".join(lines) + "\n")
        shutil.copy(prepared / "about.json", work)
        os.replace(work, copy)
    return copy
