"""Training steps of transformers' stock model, timed by lait-bench train-step.

    train_step_peer.py MODEL_DIR BATCHES.json

BATCHES.json: {"threads", "bf16", "num_labels", "learning_rate", "batches": [[[token ids of a pair,
tokens of its first segment, label], …], …]}. Writes "ready" when the inputs are made; then each
line on standard input asks for a step on every batch, and a line on standard output answers.
Batches are padded to their longest example; SDPA attention, fused AdamW, bf16 by autocast.
"""
import json
import sys

import torch
from transformers import AutoModelForSequenceClassification


def padded(batch, config, regression):
    longest = max(len(ids) for ids, _, _ in batch)
    ids = torch.full((len(batch), longest), config.pad_token_id or 0)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, first, _) in enumerate(batch):
        ids[row, :len(tokens)] = torch.tensor(tokens)
        mask[row, :len(tokens)] = 1
        types[row, first:len(tokens)] = 1
    labels = torch.tensor([label for _, _, label in batch])
    inputs = {"input_ids": ids, "attention_mask": mask,
              "labels": labels.float() if regression else labels.long()}
    return inputs | {"token_type_ids": types} if config.model_type == "bert" else inputs


def main():
    model_dir, batches = sys.argv[1:3]
    with open(batches, encoding="utf-8") as file:
        settings = json.load(file)
    torch.set_num_threads(settings["threads"])
    regression = settings["num_labels"] == 1
    model = AutoModelForSequenceClassification.from_pretrained(
        model_dir, num_labels=settings["num_labels"], attn_implementation="sdpa",
        dtype=torch.float32, ignore_mismatched_sizes=True)  # a head of other labels
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], fused=True)
    inputs = [padded(batch, model.config, regression) for batch in settings["batches"]]
    print("ready", flush=True)
    for _ in sys.stdin:
        for batch in inputs:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["bf16"]):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        print(f"{loss.item():.4f}", flush=True)


if __name__ == "__main__":
    main()
