"""Loads a checkpoint of an RTE model with transformers, as the stock T5, and predicts with it.

    t5_reload.py CHECKPOINT_DIR PAIRS.jsonl OUTPUT.jsonl

PAIRS.jsonl has {"segments": [premise, hypothesis]} lines. OUTPUT.jsonl has a line for each:
{"scores": {label: share of the exponential of its log probability}, "text": by greedy decoding}.
"""
import json
import pathlib
import sys

import torch
from transformers import T5ForConditionalGeneration, T5Tokenizer

LABELS = ("entailment", "not_entailment")


def log_probability(model, inputs, label):
    logits = model(input_ids=inputs, labels=label).logits[0].float()
    return torch.log_softmax(logits, -1).gather(1, label[0].unsqueeze(1)).sum()


@torch.no_grad()
def main(checkpoint, pairs, output):
    model, info = T5ForConditionalGeneration.from_pretrained(checkpoint, output_loading_info=True)
    problems = {kind: sorted(info[kind])
                for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]}
    if problems:
        sys.exit(f"{checkpoint}: transformers reports {problems}")
    model.eval()
    tokenizer = T5Tokenizer.from_pretrained(checkpoint)
    with open(output, "w", encoding="utf-8") as file:
        for line in pathlib.Path(pairs).read_text(encoding="utf-8").splitlines():
            premise, hypothesis = json.loads(line)["segments"]
            inputs = tokenizer(f"rte sentence1: {premise} sentence2: {hypothesis}",
                               return_tensors="pt").input_ids
            sums = torch.stack([
                log_probability(model, inputs, tokenizer(label, return_tensors="pt").input_ids)
                for label in LABELS])
            made = model.generate(inputs, do_sample=False, num_beams=1, max_new_tokens=8)
            file.write(json.dumps({
                "scores": dict(zip(LABELS, torch.softmax(sums, 0).tolist())),
                "text": tokenizer.decode(made[0], skip_special_tokens=True)}) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
