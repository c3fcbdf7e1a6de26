"""Runs saved models with transformers and their modeling_lait.py, and writes the logits.

    hf_code_run.py CASES_JSON OUTPUT.safetensors

CASES_JSON: [{"name", "dir", "examples": [{"segments", "groups"}]}]. Also checks that transformers
refuses each model by name where its code is not trusted.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

BATCH = 7  # of mixed lengths, so that most rows are padded


def check_refused(directory):
    config = directory / "config.json"
    text = config.read_text()
    untrusted = {key: value for key, value in json.loads(text).items() if key != "auto_map"}
    try:
        config.write_text(json.dumps(untrusted))
        AutoModelForSequenceClassification.from_pretrained(directory)
    except ValueError as error:
        assert "model type `lait`" in str(error), error
    else:
        sys.exit(f"{directory}: transformers loaded it without its code")
    finally:
        config.write_text(text)


def load(directory):
    model, info = AutoModelForSequenceClassification.from_pretrained(
        directory, trust_remote_code=True, dtype=torch.float32, output_loading_info=True)
    problems = {kind: sorted(info[kind])
                for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]}
    if problems:
        sys.exit(f"{directory}: transformers reports {problems}")
    return model.eval(), AutoTokenizer.from_pretrained(directory, trust_remote_code=True)


def check_needs_encode_segments(model, tokenizer):
    try:
        model(**tokenizer([["a", "b"]], return_tensors="pt"))
    except (TypeError, ValueError):  # attention_mask is no input, segment_ids is missing
        return
    sys.exit("the model took inputs without segments")


def check_trains(model, batch):
    labels = torch.zeros(len(batch["input_ids"]), dtype=torch.long)
    loss = model(**batch, labels=labels).loss
    loss.backward()
    assert torch.isfinite(loss), loss
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def main():
    cases, output = sys.argv[1:3]
    torch.set_num_threads(2)
    logits = {}
    for case in json.loads(pathlib.Path(cases).read_text()):
        directory = pathlib.Path(case["dir"])
        check_refused(directory)
        model, tokenizer = load(directory)
        check_needs_encode_segments(model, tokenizer)
        parts = []
        for begin in range(0, len(case["examples"]), BATCH):
            examples = case["examples"][begin:begin + BATCH]
            groups = [e["groups"] for e in examples] if examples[0]["groups"] else None
            batch = model.encode_segments(tokenizer, [e["segments"] for e in examples], groups)
            with torch.no_grad():
                parts.append(model(**batch).logits)
        check_trains(model, batch)
        logits[case["name"]] = torch.cat(parts).contiguous()
    save_file(logits, output)


if __name__ == "__main__":
    main()
