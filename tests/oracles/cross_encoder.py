"""A cross-encoder with one logit, as sentence-transformers' CrossEncoder trains it.

    cross_encoder.py make MODEL_DIR OUTPUT_DIR
        OUTPUT_DIR/head                the model with a seeded one-logit head; like those on the
                                       hub, its config.json has no problem_type
        OUTPUT_DIR/scores.safetensors  "logits" (N) of the pairs in pairs.json
        OUTPUT_DIR/pairs.json          [[query, passage], …]
    cross_encoder.py loss CHECKPOINT_DIR PAIRS_JSON OUTPUT.safetensors
        "logits" (N) and "loss" of a checkpoint with the labels 0, 1, 0, 1, …
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

from model_parity import load_tokenizer
from tokenizer_files import copy_tokenizer

PAIRS = [["how are glacier caves formed ?", "a partly submerged glacier cave ."],
         ["how are glacier caves formed ?", "the ice facade is approximately 60 m high"],
         ["who wrote it ?", "It was written by nobody, as far as is known."],
         ["what is a cat", "The cat (Felis catus) is a small carnivorous mammal."]] * 3


def logits_of(model, tokenizer, pairs):
    inputs = tokenizer([a for a, _ in pairs], [b for _, b in pairs], padding=True,
                       return_tensors="pt")
    return inputs, model(**inputs).logits.squeeze(-1)


@torch.no_grad()
def make(model_dir, output):
    output = pathlib.Path(output)
    model = AutoModelForSequenceClassification.from_pretrained(
        model_dir, num_labels=1, attn_implementation="eager", dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.startswith("classifier."):
            parameter.normal_(0, 0.2, generator=generator)
    model.save_pretrained(output / "head")
    copy_tokenizer(model_dir, output / "head")
    tokenizer = load_tokenizer(model_dir)
    save_file({"logits": logits_of(model, tokenizer, PAIRS)[1]}, output / "scores.safetensors")
    (output / "pairs.json").write_text(json.dumps(PAIRS))


@torch.no_grad()
def loss(checkpoint, pairs, output):
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32).eval()
    pairs = json.loads(pathlib.Path(pairs).read_text())
    inputs, logits = logits_of(model, load_tokenizer(checkpoint), pairs)
    labels = torch.tensor([[float(i % 2)] for i in range(len(pairs))])
    save_file({"logits": logits, "loss": model(**inputs, labels=labels).loss}, output)


if __name__ == "__main__":
    torch.set_num_threads(2)
    {"make": make, "loss": loss}[sys.argv[1]](*sys.argv[2:])
