"""Writes the parity oracle of T5: states, logits, loss and gradients of random models, by
transformers in double precision.

    t5_parity.py OUTPUT_DIR SHAPE

SHAPE is "relu" (tied output layer, as t5-small) or "gated" (T5 1.1, Flan-T5: own output layer, and
H * D is not C).
OUTPUT_DIR/model/     config.json and model.safetensors, with transformers' names
OUTPUT_DIR/cases.json {"examples": [{"segments": [[token, ...], ...], "label": [token, ...]}],
                       "labels": [[token, ...], ...], "cases": [{"name", "p"}]}; "p" is the number
                       of independent layers; at 0 also "pair": the segments as one sequence
OUTPUT_DIR/parity.safetensors
    "CASE.states"    (rows of all examples, C) the encoder's output
    "CASE.logits"    (target tokens of all examples, V)
    "CASE.loss"      (1)
    "CASE.scores"    (examples, labels) sums of log p of each label's tokens
    "CASE.grad.NAME" gradients of the loss
    "pair.generated" (examples, tokens) greedy decoding, zeros behind the end token

A segment ends with </s>; the segments of "pair" are one sequence with one </s>. At P > 0 the
encoder's layers get a 4-D mask each, dense, and in independent layers distances run inside the
segment: since T5's bias depends on distances alone, it is the same as in the whole sequence.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

SHAPES = {
    "relu": dict(d_model=128, d_kv=32, num_heads=4, d_ff=256, num_layers=4, num_decoder_layers=2,
                 feed_forward_proj="relu", tie_word_embeddings=True),
    "gated": dict(d_model=96, d_kv=64, num_heads=3, d_ff=160, num_layers=4, num_decoder_layers=3,
                  feed_forward_proj="gated-gelu", tie_word_embeddings=False),
}
VOCAB, END = 600, 1
# With others a ReLU may have an input so near to 0 that float rounding takes the other side.
SEED = 12
LABELS = [[17, 18, 19, END], [40, END], [41, 300, END]]


def make_model(shape):
    torch.manual_seed(SEED)
    config = T5Config(vocab_size=VOCAB, dropout_rate=0.0, decoder_start_token_id=0, **SHAPES[shape])
    model = T5ForConditionalGeneration(config).eval()
    tied = SHAPES[shape]["tie_word_embeddings"]
    if not tied:  # some versions of transformers tie it whatever the config says
        model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCAB, config.d_model))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                parameter.normal_(1, 0.2)
            elif "relative_attention_bias" in name:
                parameter.normal_(0, 2)  # a wrong bucket must show
            elif "lm_head" in name:
                parameter.normal_(0, 0.3)  # the labels shall not be certain
            elif "shared" in name:
                parameter.normal_(0, 1)
            else:
                # Scores are not scaled: T5's queries are small.
                small = 2 * config.d_kv ** -0.5 if ".q." in name else 1
                parameter.normal_(0, small * parameter.shape[1] ** -0.5)
    return model.double(), tied


def make_examples():
    generator = torch.Generator().manual_seed(5)
    texts = [torch.randint(2, VOCAB, (n,), generator=generator).tolist()
             for n in (3, 9, 150, 20, 1, 70, 33)]
    pairs = [(0, 1), (2, 3), (4, 5), (1, 6), (3, 3), (5, 2)]
    return [{"segments": [texts[a], texts[b]], "label": LABELS[i % 3]}
            for i, (a, b) in enumerate(pairs)]


class Masks:
    """Makes each encoder layer attend within its own mask."""

    def __init__(self, model):
        self.by_layer = None
        self.first = model.encoder.block[0].layer[0].SelfAttention
        for index, block in enumerate(model.encoder.block):
            block.register_forward_pre_hook(self.hook(index), with_kwargs=True)

    def hook(self, index):
        def replace(_module, args, kwargs):
            if self.by_layer is None:
                return None
            # Block.forward(hidden_states, attention_mask, position_bias, ...). The bias alone: the
            # first layer would hand on a sum with its own mask.
            bias = self.first.compute_bias(args[0].shape[1], args[0].shape[1], device="cpu")
            return (args[0], self.by_layer[index], bias, *args[3:]), {
                k: v for k, v in kwargs.items() if k not in ("attention_mask", "position_bias")}
        return replace


def encode(model, masks, example, name, p):
    tokens, segment = [], []
    for s, text in enumerate(example["segments"]):
        whole = list(text) + ([END] if name != "pair" or s == 1 else [])
        tokens += whole
        segment += [s] * len(whole)
    ids = torch.tensor([tokens])
    of = torch.tensor(segment)
    none = torch.finfo(torch.float32).min
    same = of[:, None] == of[None, :]
    split = torch.where(same, 0.0, none).to(model.dtype)[None, None]
    whole = torch.zeros_like(split)
    layers = model.config.num_layers
    masks.by_layer = [split if layer < p else whole for layer in range(layers)]
    states = model.encoder(input_ids=ids).last_hidden_state
    masks.by_layer = None
    return states


def decode(model, states, label):
    inputs = torch.tensor([[0] + label[:-1]])
    output = model(encoder_outputs=(states,), decoder_input_ids=inputs)
    return output.logits[0]


def run_case(model, masks, examples, name, p, out):
    model.zero_grad()
    states, logits, scores = [], [], []
    for example in examples:
        encoded = encode(model, masks, example, name, p)
        states.append(encoded[0])
        logits.append(decode(model, encoded, example["label"]))
        with torch.no_grad():
            scores.append(torch.stack([
                decode(model, encoded, label).log_softmax(-1).gather(
                    1, torch.tensor(label)[:, None]).sum() for label in LABELS]))
    labels = torch.tensor([token for example in examples for token in example["label"]])
    logits = torch.cat(logits)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    out[f"{name}.states"] = torch.cat(states).detach()
    out[f"{name}.logits"] = logits.detach()
    out[f"{name}.loss"] = loss.detach().reshape(1)
    out[f"{name}.scores"] = torch.stack(scores)
    for parameter, gradient in ((n, q.grad) for n, q in model.named_parameters()):
        if gradient is not None:
            out[f"{name}.grad.{parameter}"] = gradient.clone()


@torch.no_grad()
def generate(model, examples):
    rows = []
    for example in examples:
        tokens = torch.tensor([example["segments"][0] + example["segments"][1] + [END]])
        made = model.generate(input_ids=tokens, do_sample=False, num_beams=1, max_new_tokens=8)
        rows.append((made[0, 1:].tolist() + [0] * 8)[:8])
    return torch.tensor(rows)


def save_model(model, tied, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {n: q.detach().float() for n, q in model.named_parameters()
               if not (tied and n == "lm_head.weight")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    config["tie_word_embeddings"] = tied
    config["architectures"] = ["T5ForConditionalGeneration"]
    (folder / "config.json").write_text(json.dumps(config))


def check_against_transformers(model, masks, examples):
    """With one mask it is transformers' own encoder; split, a segment is what it is alone."""
    for example in examples:
        ours = encode(model, masks, example, "pair", 0)
        tokens = torch.tensor([example["segments"][0] + example["segments"][1] + [END]])
        theirs = model.encoder(input_ids=tokens).last_hidden_state
        assert (ours - theirs).abs().max() < 1e-5
        first, other = example["segments"]
        rows = len(first) + 1
        alone = model.encoder(input_ids=torch.tensor([first + [END]])).last_hidden_state
        split = encode(model, masks, example, "split", model.config.num_layers)[:, :rows]
        assert (alone - split).abs().max() < 1e-4


def main(folder, shape):
    folder = pathlib.Path(folder)
    model, tied = make_model(shape)
    examples = make_examples()
    masks = Masks(model)
    with torch.no_grad():
        check_against_transformers(model, masks, examples)
    out = {}
    cases = [{"name": "pair", "p": 0}]
    cases += [{"name": f"p{p}", "p": p} for p in range(model.config.num_layers + 1)]
    for case in cases:
        run_case(model, masks, examples, case["name"], case["p"], out)
    out["pair.generated"] = generate(model, examples)
    save_model(model, tied, folder / "model")
    save_file({name: tensor.float() if tensor.is_floating_point() else tensor
               for name, tensor in out.items()}, folder / "parity.safetensors")
    (folder / "cases.json").write_text(json.dumps(
        {"examples": examples, "labels": LABELS, "cases": cases}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
