"""Writes the parity oracle of T5: states, logits, loss and gradients of random models, by
transformers in double precision.

    t5_parity.py OUTPUT_DIR SHAPE

SHAPE is "relu" (tied output layer, as t5-small) or "gated" (T5 1.1, Flan-T5: own output layer, and
H * D is not C), which are small, or a published one: "t5-small", "flan-t5-small", "t5-base".
OUTPUT_DIR/model/     config.json and model.safetensors, with transformers' names
OUTPUT_DIR/cases.json {"examples": [{"segments": [[token, ...], ...], "label": [token, ...]}],
                       "labels": [[token, ...], ...], "cases": [{"name", "p"}]}; "p" is the number
                       of independent layers; at 0 also "pair": the segments as one sequence
OUTPUT_DIR/parity.safetensors
    "CASE.states"    (rows of all examples, C) the encoder's output
    "CASE.logits"    (target tokens of all examples, V)
    "CASE.loss"      (1)
    "CASE.scores"    (examples, labels) sums of log p of each label's tokens
    "CASE.generated" (examples, tokens) greedy decoding, zeros behind the end token
    "CASE.grad.NAME" gradients of the loss
The gradients of a published shape would be gigabytes. Of its matrices there are
    "rows.NAME"      (n) which rows "CASE.grad.NAME" has: random ones, and those of tokens in use
    "signs.NAME"     (rows) 1 or -1
    "CASE.sum.NAME"  the sum of all rows of the gradient with those signs

A segment ends with </s>; the segments of "pair" are one sequence with one </s>. At P > 0 the
encoder's layers get a 4-D mask each, dense, and in independent layers distances run inside the
segment: since T5's bias depends on distances alone, it is the same as in the whole sequence.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence
from transformers import T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

VOCAB, END = 600, 1
PUBLISHED = dict(d_kv=64, vocab_size=32128)
SHAPES = {
    "relu": dict(d_model=128, d_kv=32, num_heads=4, d_ff=256, num_layers=4, num_decoder_layers=2,
                 feed_forward_proj="relu", tie_word_embeddings=True, vocab_size=VOCAB),
    "gated": dict(d_model=96, d_kv=64, num_heads=3, d_ff=160, num_layers=4, num_decoder_layers=3,
                  feed_forward_proj="gated-gelu", tie_word_embeddings=False, vocab_size=VOCAB),
    "t5-small": dict(PUBLISHED, d_model=512, num_heads=8, d_ff=2048, num_layers=6,
                     num_decoder_layers=6, feed_forward_proj="relu", tie_word_embeddings=True),
    "flan-t5-small": dict(PUBLISHED, d_model=512, num_heads=6, d_ff=1024, num_layers=8,
                          num_decoder_layers=8, feed_forward_proj="gated-gelu",
                          tie_word_embeddings=False),
    "t5-base": dict(PUBLISHED, d_model=768, num_heads=12, d_ff=3072, num_layers=12,
                    num_decoder_layers=12, feed_forward_proj="relu", tie_word_embeddings=True),
}
# With others a ReLU of "relu" may have an input so near to 0 that float rounding takes the other
# side. Of the published ones' inputs some always are: see avoid_kinks.
SEED, NEAR_A_KINK = 12, 1e-4
KEPT_ROWS = 32  # of a gradient that is not written whole
LABELS = [[17, 18, 19, END], [40, END], [41, 300, END]]


def is_published(shape):
    return SHAPES[shape]["vocab_size"] != VOCAB


def make_model(shape):
    torch.manual_seed(SEED)
    config = T5Config(dropout_rate=0.0, decoder_start_token_id=0, **SHAPES[shape])
    model = T5ForConditionalGeneration(config).eval()
    tied = SHAPES[shape]["tie_word_embeddings"]
    if not tied:  # some versions of transformers tie it whatever the config says
        model.lm_head.weight = torch.nn.Parameter(torch.randn(config.vocab_size, config.d_model))
    # Else a published tied model writes the token again that it has just read.
    embedding = 0.05 if is_published(shape) and tied else 1
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                parameter.normal_(1, 0.2)
            elif "relative_attention_bias" in name:
                parameter.normal_(0, 2)  # a wrong bucket must show
            elif "lm_head" in name:  # the labels shall not be certain
                parameter.normal_(0, min(0.3, 3 * config.d_model ** -0.5))
            elif "shared" in name:
                parameter.normal_(0, embedding)
            else:
                # Scores are not scaled: T5's queries are small.
                small = 2 * config.d_kv ** -0.5 if ".q." in name else 1
                parameter.normal_(0, small * parameter.shape[1] ** -0.5)
        model.decoder.final_layer_norm.weight /= embedding
    return model.double(), tied


def make_labels(shape):
    """A published shape's decoder also gets distances that lie in its last bucket."""
    if not is_published(shape):
        return LABELS
    generator = torch.Generator().manual_seed(6)
    long = torch.randint(2, PUBLISHED["vocab_size"], (150,), generator=generator).tolist()
    return LABELS + [long + [END]]


def make_examples(shape="relu"):
    generator = torch.Generator().manual_seed(5)
    lengths = (150, 24, 7) if is_published(shape) else (3, 9, 150, 20, 1, 70, 33)
    texts = [torch.randint(2, SHAPES[shape]["vocab_size"], (n,), generator=generator).tolist()
             for n in lengths]
    pairs = [(0, 1), (2, 1), (1, 2), (1, 1)] if is_published(shape) else [
        (0, 1), (2, 3), (4, 5), (1, 6), (3, 3), (5, 2)]
    labels = make_labels(shape)
    return [{"segments": [texts[a], texts[b]], "label": labels[i % len(labels)]}
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


def encode_batch(model, masks, sequences):
    """Of (example, name, p) each: states (sequences, longest, C), and which rows are tokens."""
    tokens, segment = [], []
    for example, name, _ in sequences:
        texts = [list(text) + ([END] if name != "pair" or s == 1 else [])
                 for s, text in enumerate(example["segments"])]
        tokens.append(torch.tensor(sum(texts, [])))
        segment.append(torch.tensor([s for s, text in enumerate(texts) for _ in text]))
    of = pad_sequence(segment, batch_first=True, padding_value=-1)
    live = of >= 0
    same = of[:, :, None] == of[:, None, :]
    whole = live[:, :, None] == live[:, None, :]
    independent = torch.tensor([p for *_, p in sequences])[:, None, None]
    seen = [torch.where(layer < independent, same, whole)[:, None]
            for layer in range(model.config.num_layers)]
    none = torch.finfo(torch.float32).min
    masks.by_layer = [torch.where(mask, 0.0, none).to(model.dtype) for mask in seen]
    states = model.encoder(input_ids=pad_sequence(tokens, batch_first=True)).last_hidden_state
    masks.by_layer = None
    return states, live


def encode(model, masks, example, name, p):
    return encode_batch(model, masks, [(example, name, p)])[0]


def decode(model, states, label):
    inputs = torch.tensor([[0] + label[:-1]])
    return model(encoder_outputs=(states,), decoder_input_ids=inputs).logits[0]


@torch.no_grad()
def avoid_kinks(model, masks, examples, cases):
    """Draws the weights of each unit anew whose ReLU has an input near 0 in some case.

    Float rounding may put it on the other side, which changes gradients by far more than rounding
    does. All cases are one batch: a layer's weights are settled before the next one runs.
    """
    def redraw(linear, args, output):
        rows = args[0]
        near = torch.arange(output.shape[-1])
        while True:
            near = near[(output[..., near].abs() < NEAR_A_KINK).flatten(0, -2).any(0)]
            if len(near) == 0:
                return output
            drawn = torch.randn(len(near), rows.shape[-1]) * rows.shape[-1] ** -0.5
            linear.weight[near] = drawn.to(linear.weight.dtype)
            output[..., near] = rows @ linear.weight[near].T

    hooks = [module.register_forward_hook(redraw) for name, module in model.named_modules()
             if name.endswith("DenseReluDense.wi")]  # gated ones have wi_0 and wi_1
    sequences = [(example, case["name"], case["p"]) for case in cases for example in examples]
    states, live = encode_batch(model, masks, sequences)
    inputs = [torch.tensor([0] + example["label"][:-1]) for example, *_ in sequences]
    model.decoder(input_ids=pad_sequence(inputs, batch_first=True), encoder_hidden_states=states,
                  encoder_attention_mask=live.long())
    for hook in hooks:
        hook.remove()


def choose_rows(model, examples, labels):
    """Which part of the matrices' gradients is written."""
    generator = torch.Generator().manual_seed(7)
    texts = [text for example in examples for text in example["segments"]] + labels
    used = torch.tensor([0, END] + [token for text in texts for token in text])
    out = {}
    for name, parameter in model.named_parameters():
        rows = parameter.shape[0]
        if parameter.dim() == 1 or "relative_attention_bias" in name:
            continue
        kept = torch.randperm(rows, generator=generator)[:KEPT_ROWS]
        if name in ("shared.weight", "lm_head.weight"):
            kept = torch.cat([kept, used])
        out[f"rows.{name}"] = kept.unique()
        out[f"signs.{name}"] = 2.0 * torch.randint(0, 2, (rows,), generator=generator) - 1
    return out


def run_case(model, masks, examples, all_labels, name, p, out):
    model.zero_grad()
    tokens = sum(len(example["label"]) for example in examples)
    loss, states, logits, scores, generated = 0, [], [], [], []
    for example in examples:
        encoded = encode(model, masks, example, name, p)
        states.append(encoded[0].detach())
        made, label = decode(model, encoded, example["label"]), torch.tensor(example["label"])
        logits.append(made.detach())
        part = torch.nn.functional.cross_entropy(made, label, reduction="sum") / tokens
        part.backward()  # each alone, since a large model's graphs take gigabytes
        loss += part.detach()
        with torch.no_grad():
            scores.append(torch.stack([
                decode(model, encoded, label).log_softmax(-1).gather(
                    1, torch.tensor(label)[:, None]).sum() for label in all_labels]))
            generated.append(generate(model, example, name, encoded))
    out[f"{name}.states"] = torch.cat(states)
    out[f"{name}.logits"] = torch.cat(logits)
    out[f"{name}.loss"] = loss.reshape(1)
    out[f"{name}.scores"] = torch.stack(scores)
    out[f"{name}.generated"] = torch.stack(generated)
    for parameter, gradient in ((n, q.grad) for n, q in model.named_parameters()):
        if gradient is not None and f"rows.{parameter}" not in out:
            out[f"{name}.grad.{parameter}"] = gradient.clone()
        elif gradient is not None:
            out[f"{name}.grad.{parameter}"] = gradient[out[f"rows.{parameter}"]]
            out[f"{name}.sum.{parameter}"] = out[f"signs.{parameter}"].double() @ gradient


def generate(model, example, name, states):
    """Eight tokens; of "pair" with transformers' own run of the encoder."""
    source = {"encoder_outputs": BaseModelOutput(last_hidden_state=states)}
    if name == "pair":
        source = {"input_ids": torch.tensor([sum(example["segments"], []) + [END]])}
    made = model.generate(**source, do_sample=False, num_beams=1, max_new_tokens=8)
    return torch.tensor((made[0, 1:].tolist() + [0] * 8)[:8])


def save_model(model, tied, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {n: q.detach().float() for n, q in model.named_parameters()
               if not (tied and n == "lm_head.weight")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict() | {"tie_word_embeddings": tied,
                                       "architectures": ["T5ForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(config))


def check_against_transformers(model, masks, examples):
    """With one mask it is transformers' own encoder; split, a segment is what it is alone."""
    for example in examples:
        ours = encode(model, masks, example, "pair", 0)
        tokens = torch.tensor([sum(example["segments"], []) + [END]])
        theirs = model.encoder(input_ids=tokens).last_hidden_state
        assert (ours - theirs).abs().max() < 1e-5
        first = example["segments"][0]
        rows = len(first) + 1
        alone = model.encoder(input_ids=torch.tensor([first + [END]])).last_hidden_state
        split = encode(model, masks, example, "split", model.config.num_layers)[:, :rows]
        assert (alone - split).abs().max() < 1e-4


def main(folder, shape):
    folder = pathlib.Path(folder)
    model, tied = make_model(shape)
    examples, labels = make_examples(shape), make_labels(shape)
    layers = model.config.num_layers
    independent = (2, layers - 1) if is_published(shape) else range(layers + 1)
    cases = [{"name": "pair", "p": 0}] + [{"name": f"p{p}", "p": p} for p in independent]
    masks = Masks(model)
    with torch.no_grad():
        check_against_transformers(model, masks, examples)
    if is_published(shape):
        avoid_kinks(model, masks, examples, cases)
    out = choose_rows(model, examples, labels) if is_published(shape) else {}
    save_model(model, tied, folder / "model")
    for case in cases:
        run_case(model, masks, examples, labels, case["name"], case["p"], out)
    save_file({name: tensor.float() if tensor.is_floating_point() else tensor
               for name, tensor in out.items()}, folder / "parity.safetensors")
    (folder / "cases.json").write_text(json.dumps(
        {"examples": examples, "labels": labels, "cases": cases}))


if __name__ == "__main__":
    # The small ones run beside other tests.
    torch.set_num_threads(2 if is_published(sys.argv[2]) else 1)
    main(*sys.argv[1:])
