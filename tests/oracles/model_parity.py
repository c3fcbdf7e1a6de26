"""Writes the parity oracle of the model: texts, logits and last hidden states of MiniLM.

    model_parity.py MINILM_DIR OUTPUT_DIR

OUTPUT_DIR/head/      MiniLM with a seeded three-class head, as save_pretrained writes it
OUTPUT_DIR/cases.json {"sets": {name: [{"segments": […], "groups": […]}]},
                       "cases": [{"name", "set", "format", "schedule", "poolings"}]}
OUTPUT_DIR/parity.safetensors
    "head.POOLING.weight|bias"   the seeded linear head of each pooling
    "CASE.lengths"               (B) tokens of each example
    "CASE.hidden"                (sum of lengths, C) last hidden states, example after example
    "CASE.POOLING.logits"        (B, 3)

The pair cases at P = 0 come from transformers itself, tokenizer included; the others from
model_dense.py, which is first compared with transformers. cases.json is written last: it marks the
folder as complete.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertForSequenceClassification

import model_dense
from model_texts import Texts

NUM_LABELS = 3
POOLINGS = ("cls", "mean", "segments", "cls_segments")


def load(minilm_dir):
    model = BertForSequenceClassification.from_pretrained(
        minilm_dir, num_labels=NUM_LABELS, attn_implementation="eager", dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 0.2, generator=generator)
        model.classifier.bias.normal_(0, 0.2, generator=generator)
    return model.eval()


def load_tokenizer(minilm_dir):
    tokenizer = AutoTokenizer.from_pretrained(minilm_dir, use_fast=True)
    tokenizer.backend_tokenizer.no_padding()  # tokenizer.json carries padding and truncation to 128
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def save_head(model, minilm_dir, directory):
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(pathlib.Path(minilm_dir) / name, directory)


def hugging_face_states(model, tokenizer, segments):
    """Last hidden states and logits of one pair, by transformers alone."""
    # As lists: transformers takes a bare pair whose second text is empty for a single text.
    encoded = tokenizer([segments[0]], [segments[1]], truncation="longest_first", max_length=512,
                        return_tensors="pt")
    output = model(**encoded, output_hidden_states=True)
    return output.hidden_states[-1][0], output.logits[0]


class Oracle:
    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.dense = model_dense.DenseBert(model)
        self.tensors, self.cases = {}, []
        generator = torch.Generator().manual_seed(8)
        self.heads = {"cls": (model.classifier.weight.detach(), model.classifier.bias.detach())}
        for pooling in POOLINGS[1:]:
            shape = (NUM_LABELS, self.dense.num_features(pooling))
            self.heads[pooling] = (torch.randn(shape, generator=generator) * 0.2,
                                   torch.randn(NUM_LABELS, generator=generator))
        for pooling, (weight, bias) in self.heads.items():
            self.tensors[f"head.{pooling}.weight"] = weight.clone()
            self.tensors[f"head.{pooling}.bias"] = bias.clone()

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
            lengths.append(len(row.ids))
            hidden.append(states[-1])
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
                assert ours.shape == final.shape, (i, ours.shape, final.shape)
                assert (ours - final).abs().max() < 2e-5, (i, (ours - final).abs().max())
        self.record(name, set_name, "pair", schedule, lengths, hidden, {"cls": logits})

    def record(self, name, set_name, segment_format, schedule, lengths, hidden, logits):
        self.tensors[f"{name}.lengths"] = torch.tensor(lengths)
        self.tensors[f"{name}.hidden"] = torch.cat(hidden).contiguous()
        for pooling, rows in logits.items():
            self.tensors[f"{name}.{pooling}.logits"] = torch.stack(rows)
        self.cases.append({"name": name, "set": set_name, "format": segment_format,
                           "poolings": list(logits),
                           "schedule": [[layers, scope] for layers, scope in schedule if layers]})


@torch.no_grad()
def main():
    minilm_dir, output = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(2)
    output.mkdir(parents=True, exist_ok=True)
    (output / "cases.json").unlink(missing_ok=True)
    model, tokenizer = load(minilm_dir), load_tokenizer(minilm_dir)
    save_head(model, minilm_dir, output / "head")
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
    for name, schedule in {"segment_group_example": [(2, "segment"), (2, "group"), (2, "example")],
                           "group_example": [(3, "group"), (3, "example")],
                           "segment_example": [(4, "segment"), (2, "example")],
                           "segment_group": [(3, "segment"), (3, "group")]}.items():
        oracle.add(name, "tuples", sets["tuples"], "standalone", schedule,
                   POOLINGS if schedule[-1][1] == "example" else POOLINGS[1:])
    save_file(oracle.tensors, output / "parity.safetensors")
    (output / "cases.json").write_text(json.dumps({"sets": sets, "cases": oracle.cases}))


if __name__ == "__main__":
    main()
