"""Scores of new claims against passages by transformers, timed by lait-bench cache.

    rerank_peer.py MODEL_DIR REQUESTS.json

REQUESTS.json: {"threads", "claims": [text, …], "passages": [text, …]}. The model is the directory's
with a random head of one logit. A request is a claim against all passages: pairs are tokenized by
the fast tokenizer, sorted by length and padded by batch. Of fp32 and bf16 and some sizes of batches
the fastest is used, as a first run of each finds; then a line {"variant"} is written. Each line on
standard input is the number of a claim; a line {"seconds"} answers.
"""
import json
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

BATCHES = (32, 128)


class Reranker:
    def __init__(self, model_dir, passages):
        self.tokenizer = AutoTokenizer.from_pretrained(model_dir, use_fast=True)
        self.limit = min(512, self.tokenizer.model_max_length)
        self.passages = passages
        self.models = {}
        for dtype in (torch.float32, torch.bfloat16):
            self.models[dtype] = AutoModelForSequenceClassification.from_pretrained(
                model_dir, num_labels=1, attn_implementation="sdpa", torch_dtype=dtype,
                ignore_mismatched_sizes=True).eval()

    @torch.inference_mode()
    def scores(self, claim, dtype, batch):
        encoded = self.tokenizer([claim] * len(self.passages), self.passages, truncation=True,
                                 max_length=self.limit)
        rows = [{name: values[i] for name, values in encoded.items()}
                for i in range(len(self.passages))]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["input_ids"]))
        out = torch.empty(len(rows))
        for begin in range(0, len(order), batch):
            part = order[begin:begin + batch]
            inputs = self.tokenizer.pad([rows[i] for i in part], return_tensors="pt")
            out[part] = self.models[dtype](**inputs).logits[:, 0].float()
        return out


def seconds_of(run):
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main():
    model_dir, file = sys.argv[1:]
    with open(file, encoding="utf-8") as lines:
        requests = json.load(lines)
    torch.set_num_threads(requests["threads"])
    reranker = Reranker(model_dir, requests["passages"])
    claims = requests["claims"]
    variants = [(dtype, batch) for dtype in reranker.models for batch in BATCHES]
    some = Reranker.__new__(Reranker)
    some.__dict__ = {**reranker.__dict__, "passages": requests["passages"][:2 * max(BATCHES)]}
    for dtype in reranker.models:
        some.scores(claims[0], dtype, BATCHES[0])  # warms up
    times = {variant: min(seconds_of(lambda v=variant: some.scores(claims[0], *v))
                          for _ in range(2)) for variant in variants}
    dtype, batch = min(times, key=times.get)
    name = "bf16" if dtype == torch.bfloat16 else "fp32"
    print(json.dumps({"variant": f"{name}, batches of {batch}"}), flush=True)
    for line in sys.stdin:
        claim = claims[int(line)]
        print(json.dumps({"seconds": seconds_of(lambda: reranker.scores(claim, dtype, batch))}),
              flush=True)


if __name__ == "__main__":
    main()
