"""The adapters of a run beside its merged model: peft computes the same logits from both.

lora_peft.py BASE RUN: prints the largest difference between the merged model's logits and those of
the base model with the adapters, and between the merged model's and the base model's.
"""

import sys

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification


def main():
    base_dir, run = sys.argv[1:]
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 140, (4, 24), generator=generator)
    types = (torch.arange(24) >= 10).long().expand(4, 24)

    def logits(model):
        with torch.no_grad():
            return model.eval()(input_ids=ids, token_type_ids=types).logits

    def load(folder):
        return AutoModelForSequenceClassification.from_pretrained(folder)

    merged = logits(load(f"{run}/best"))
    adapted = logits(PeftModel.from_pretrained(load(base_dir), f"{run}/best/adapter"))
    # The base model with the run's head.
    plain = PeftModel.from_pretrained(load(base_dir), f"{run}/best/adapter")
    with plain.disable_adapter():
        base = logits(plain)
    print((merged - adapted).abs().max().item(), (merged - base).abs().max().item())


if __name__ == "__main__":
    main()
