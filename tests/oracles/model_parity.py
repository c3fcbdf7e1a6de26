"""Writes the parity oracle of a model: texts, logits and last hidden states, by transformers and
PyTorch.

    model_parity.py MODEL_DIR OUTPUT_DIR

MODEL_DIR is a BERT, RoBERTa or MPNet with at least three layers.
OUTPUT_DIR/head/      the model with a seeded three-class head, written by save_pretrained
OUTPUT_DIR/cases.json {"sets": {name: [{"segments": […], "groups": […]}]},
                       "cases": [{"name", "set", "format", "schedule", "poolings"}]}
OUTPUT_DIR/parity.safetensors
    "head.POOLING.weight|bias"   each pooling's seeded linear head (RoBERTa's and MPNet's "cls":
                                 classifier.out_proj)
    "head.cls.dense.weight|bias" RoBERTa and MPNet: the layer below it, classifier.dense; both
                                 layers are in head/, too
    "CASE.lengths"               (B) tokens of each example
    "CASE.hidden"                (sum of lengths, C) last hidden states, example by example
    "CASE.POOLING.logits"        (B, 3)

The pair cases at P = 0 come from transformers itself, tokenizer included. The others come from
model_dense.py, which is compared with transformers first. cases.json is written last: if it is
there, everything is.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import model_dense
from model_texts import Texts
from tokenizer_files import copy_tokenizer

NUM_LABELS = 3
POOLINGS = ("cls", "mean", "segments", "cls_segments")


def head_layers(model):
    """(the layer below "cls" that comes with the classifier, or None; the classifier's last layer)
    """
    family = model_dense.FAMILIES[model.config.model_type]
    own = family.cls_dense.startswith("classifier.")
    dense = model.get_submodule(family.cls_dense) if own else None
    return dense, model.get_submodule(family.cls_output)


def load(model_dir):
    model = AutoModelForSequenceClassification.from_pretrained(
        model_dir, num_labels=NUM_LABELS, attn_implementation="eager", dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    dense, output = head_layers(model)
    with torch.no_grad():
        output.weight.normal_(0, 0.2, generator=generator)
        output.bias.normal_(0, 0.2, generator=generator)
        if dense is not None:
            dense.weight.normal_(0, model.config.hidden_size ** -0.5, generator=generator)
            dense.bias.normal_(0, 0.2, generator=generator)
    return model.eval()


def load_tokenizer(model_dir):
    tokenizer = AutoTokenizer.from_pretrained(model_dir, use_fast=True)
    # tokenizer.json may ask for padding, and for truncation to 128.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def save_head(model, model_dir, directory):
    shutil.rmtree(directory, ignore_errors=True)
    # A head is taken over by the names of its labels.
    model.config.id2label = {i: str(i) for i in range(NUM_LABELS)}
    model.config.label2id = {str(i): i for i in range(NUM_LABELS)}
    model.save_pretrained(directory)
    copy_tokenizer(model_dir, directory)


def head_tensors(model, pooling):
    """The parameters of a model's own classifier, with the names of parity.safetensors."""
    dense, output = head_layers(model) if pooling == "cls" else (None, model.classifier)
    layers = {f"head.{pooling}": output}
    if dense is not None:
        layers[f"head.{pooling}.dense"] = dense
    return {f"{name}.{part}": getattr(layer, part).detach().clone()
            for name, layer in layers.items() for part in ("weight", "bias")}


def hugging_face_states(model, tokenizer, segments):
    """Last hidden states and logits of one pair, by transformers alone."""
    # As lists: transformers mistakes a bare pair with an empty second text for a single text.
    encoded = tokenizer([segments[0]], [segments[1]], truncation="longest_first", max_length=512,
                        return_tensors="pt")
    output = model(**encoded, output_hidden_states=True)
    return output.hidden_states[-1][0], output.logits[0]


class Oracle:
    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.dense = model_dense.DenseModel(model)
        self.tensors, self.cases = head_tensors(model, "cls"), []
        generator = torch.Generator().manual_seed(8)
        self.heads = {"cls": (self.tensors["head.cls.weight"], self.tensors["head.cls.bias"])}
        for pooling in POOLINGS[1:]:
            shape = (NUM_LABELS, self.dense.num_features(pooling))
            weight = torch.randn(shape, generator=generator) * 0.2
            bias = torch.randn(NUM_LABELS, generator=generator)
            self.heads[pooling] = (weight, bias)
            self.tensors[f"head.{pooling}.weight"] = weight
            self.tensors[f"head.{pooling}.bias"] = bias

    def row(self, example, segment_format):
        segments = example["segments"]
        if segment_format == "pair":
            return model_dense.pair(self.tokenizer, segments[0], " ".join(segments[1:]))
        return model_dense.standalone(self.tokenizer, segments, example.get("groups"))

    def add(self, name, set_name, examples, segment_format, schedule, poolings):
        lengths, hidden, logits = [], [], {pooling: [] for pooling in poolings}
        for example in examples:
            row = self.row(example, segment_format)
            states = self.dense.states(row, schedule)
            # Of a one-sided schedule the rows that it computes.
            one_sided = len(schedule[-1]) > 2
            rows = [r for r, s in enumerate(row.segments) if s == 0 or not one_sided]
            lengths.append(len(rows))
            hidden.append(states[-1][rows])
            for pooling in poolings:
                weight, bias = self.heads[pooling]
                features = self.dense.pool(row, states, schedule, pooling)
                logits[pooling].append(weight @ features + bias)
        self.record(name, set_name, segment_format, schedule, lengths, hidden, logits)

    def add_hugging_face(self, name, set_name, examples, schedule):
        lengths, hidden, logits = [], [], []
        for i, example in enumerate(examples):
            final, scores = hugging_face_states(self.model, self.tokenizer, example["segments"])
            lengths.append(len(final))
            hidden.append(final)
            logits.append(scores)
            if i < 20:  # the dense code must be the same model, or it specifies nothing
                ours = self.dense.states(self.row(example, "pair"), schedule)[-1]
                assert ours.shape == final.shape, i
                assert (ours - final).abs().max() < 2e-5, (i, (ours - final).abs().max())
        self.record(name, set_name, "pair", schedule, lengths, hidden, {"cls": logits})

    def record(self, name, set_name, segment_format, schedule, lengths, hidden, logits):
        self.tensors[f"{name}.lengths"] = torch.tensor(lengths)
        self.tensors[f"{name}.hidden"] = torch.cat(hidden).contiguous()
        for pooling, rows in logits.items():
            self.tensors[f"{name}.{pooling}.logits"] = torch.stack(rows)
        self.cases.append({"name": name, "set": set_name, "format": segment_format,
                           "poolings": list(logits),
                           "schedule": [list(stage) for stage in schedule if stage[0]]})


@torch.no_grad()
def main():
    model_dir, output = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(2)
    output.mkdir(parents=True, exist_ok=True)
    (output / "cases.json").unlink(missing_ok=True)
    model, tokenizer = load(model_dir), load_tokenizer(model_dir)
    save_head(model, model_dir, output / "head")
    texts = Texts(seed=12)
    sets = {"pairs": [{"segments": pair} for pair in texts.pairs(200)],
            "small": [{"segments": pair} for pair in texts.small_pairs(50)],
            "single": [{"segments": [text]}
                       for text in ("a", "", texts.gloss(), texts.joined(600), texts.joined(150))],
            "tuples": [{"segments": [texts.short() if i % 5 == 4 else texts.gloss()
                                     for _ in range(4)],
                        "groups": ([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 2])[i % 3]}
                       for i in range(18)]}
    oracle = Oracle(model, tokenizer)
    layers = model.config.num_hidden_layers
    whole = [(layers, "example")]
    oracle.add_hugging_face("pair_cls", "pairs", sets["pairs"], whole)
    oracle.add("pair", "small", sets["small"], "pair", whole, POOLINGS)
    oracle.add("single", "single", sets["single"], "standalone", whole, ("cls", "mean"))
    for p in range(layers + 1):
        poolings = POOLINGS if p < layers else POOLINGS[1:]
        oracle.add(f"p{p}", "small", sets["small"], "standalone",
                   model_dense.split_schedule(p, layers), poolings)
    oracle.add("tuples_pair", "tuples", sets["tuples"], "pair", whole, POOLINGS)
    third, half = layers // 3, layers // 2
    schedules = {
        "segment_group_example": [(third, "segment"), (third, "group"),
                                  (layers - 2 * third, "example")],
        "group_example": [(half, "group"), (layers - half, "example")],
        "segment_example": [(layers - third, "segment"), (third, "example")],
        "segment_group": [(half, "segment"), (layers - half, "group")]}
    for name, schedule in schedules.items():
        oracle.add(name, "tuples", sets["tuples"], "standalone", schedule,
                   POOLINGS if schedule[-1][1] == "example" else POOLINGS[1:])
    for name, poolings, *schedule in (
            ("one_sided", ("cls", "cls_segments"), (half, "segment"),
             (layers - half, "example", "first")),
            ("one_sided_after_joint", ("cls", "cls_segments"), (third, "segment"),
             (third, "example"), (layers - 2 * third, "example", "first")),
            ("one_sided_p0", ("cls",), (layers, "example", "first"))):
        oracle.add(name, "tuples", sets["tuples"], "standalone", schedule, poolings)
    save_file(oracle.tensors, output / "parity.safetensors")
    (output / "cases.json").write_text(json.dumps({"sets": sets, "cases": oracle.cases}))


if __name__ == "__main__":
    main()
