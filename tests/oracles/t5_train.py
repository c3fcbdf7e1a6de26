"""Ten training steps of T5's random models (t5_parity.py) as a plain PyTorch loop.

    t5_train.py OUTPUT_JSON SHAPE

OUTPUT_JSON {"OPTIMIZER NAME": [loss of each step, ...]}: OPTIMIZER adamw or adafactor, NAME pair
(the stock model) or p2 (two independent layers). Every step sees all examples. AdamW: learning rate
1e-3, decay 0.01, not on norms and biases. Adafactor as T5 was trained: constant rate 1e-2,
scale_parameter, no relative step, clip threshold 1.
"""
import json
import pathlib
import sys

import torch
from transformers.optimization import Adafactor

from t5_parity import Masks, decode, encode, make_examples, make_model

STEPS = 10


def optimizer_of(kind, model):
    if kind == "adafactor":
        return Adafactor(model.parameters(), lr=1e-2, scale_parameter=True, relative_step=False,
                         warmup_init=False, clip_threshold=1.0)
    decays, others = [], []
    for name, parameter in model.named_parameters():
        (others if "norm" in name or "bias" in name else decays).append(parameter)
    return torch.optim.AdamW([{"params": decays, "weight_decay": 0.01},
                              {"params": others, "weight_decay": 0.0}], lr=1e-3)


def losses(kind, shape, name, p):
    model, _ = make_model(shape)
    model = model.float()
    masks = Masks(model)
    examples = make_examples()
    optimizer = optimizer_of(kind, model)
    labels = torch.tensor([token for example in examples for token in example["label"]])
    out = []
    for _ in range(STEPS):
        logits = torch.cat([decode(model, encode(model, masks, example, name, p), example["label"])
                            for example in examples])
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


def main(output, shape):
    found = {f"{kind} {name}": losses(kind, shape, name, p)
             for kind in ("adamw", "adafactor") for name, p in (("pair", 0), ("p2", 2))}
    pathlib.Path(output).write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
