"""Extractive question answering: start and end logits of transformers' ...ForQuestionAnswering.

    span_head.py make MODEL_DIR OUTPUT_DIR
        OUTPUT_DIR/head                the model with a seeded qa_outputs layer
        OUTPUT_DIR/pairs.json          [[question, passage], …]
        OUTPUT_DIR/logits.safetensors  "logits" (rows of all pairs, 2): of each pair the first row
                                       and the passage's tokens; "sizes" (N) their numbers
    span_head.py check CHECKPOINT_DIR PAIRS_JSON OUTPUT.safetensors
        the same of a checkpoint, which AutoModelForQuestionAnswering loads, and "loss" with the
        answers at passage tokens 1 to 2; of the last pair there is none
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForQuestionAnswering

from model_parity import load_tokenizer
from tokenizer_files import copy_tokenizer

PAIRS = [["how are glacier caves formed ?", "a partly submerged glacier cave ."],
         ["who wrote it ?", "It was written by nobody, as far as is known, in the year 1912."],
         ["what is a cat", "The cat (Felis catus) is a small carnivorous mammal."],
         ["who ?", "nobody knows"]]


def load(directory):
    return AutoModelForQuestionAnswering.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32).eval()


def rows_of(model, tokenizer, pairs):
    """Of each pair: its logits (rows, 2), and the index of each row in the sequence."""
    out = []
    for question, passage in pairs:
        inputs = tokenizer(question, passage, return_tensors="pt")
        result = model(**inputs)
        both = torch.stack([result.start_logits[0], result.end_logits[0]], 1)
        second = len(tokenizer(passage, add_special_tokens=False)["input_ids"])
        last = both.shape[0] - 1  # the separator
        index = [0, *range(last - second, last)]
        out.append((both[index], index))
    return out


def tensors_of(rows):
    return {"logits": torch.cat([logits for logits, _ in rows]),
            "sizes": torch.tensor([len(index) for _, index in rows])}


@torch.no_grad()
def make(model_dir, output):
    output = pathlib.Path(output)
    model = load(model_dir)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.startswith("qa_outputs."):
            parameter.normal_(0, 0.2, generator=generator)
    model.save_pretrained(output / "head")
    copy_tokenizer(model_dir, output / "head")
    save_file(tensors_of(rows_of(model, load_tokenizer(model_dir), PAIRS)),
              output / "logits.safetensors")
    (output / "pairs.json").write_text(json.dumps(PAIRS))


@torch.no_grad()
def check(checkpoint, pairs, output):
    model = load(checkpoint)
    pairs = json.loads(pathlib.Path(pairs).read_text())
    rows = rows_of(model, load_tokenizer(checkpoint), pairs)
    losses = []
    for i, (logits, _) in enumerate(rows):
        begin, end = (0, 0) if i + 1 == len(rows) else (2, 3)
        for column, target in ((0, begin), (1, end)):
            losses.append(-torch.log_softmax(logits[:, column], 0)[target])
    save_file({**tensors_of(rows), "loss": torch.stack(losses).mean()}, output)


if __name__ == "__main__":
    torch.set_num_threads(2)
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
