"""BERT in plain PyTorch with a dense mask for every layer: the specification of the packed model.

No padding. A schedule is a list of (num_layers, scope); a token sees the tokens of the same
segment, group or example as the scope says (LAIT, arXiv 2305.19585, section 3). Written from the
paper and design, not from the C++ code: the mask is a full boolean matrix.
"""
import math

import torch
import torch.nn.functional as F


class Row:
    """Tokens in a row: for each its id, type, position, segment, group and example."""

    def __init__(self):
        self.ids, self.types, self.positions = [], [], []
        self.segments, self.groups, self.examples = [], [], []
        self.num_segments = 0

    def append(self, ids, token_type, first_position, group):
        self.ids += ids
        self.types += [token_type] * len(ids)
        self.positions += range(first_position, first_position + len(ids))
        self.segments += [self.num_segments] * len(ids)
        self.groups += [group] * len(ids)
        self.examples += [0] * len(ids)
        self.num_segments += 1


def standalone(tokenizer, texts, groups=None, max_tokens=512):
    """[CLS] s [SEP] for each segment, positions from 0 in each, token type 0."""
    row = Row()
    for i, text in enumerate(texts):
        ids = tokenizer(text, add_special_tokens=True, truncation=True, max_length=max_tokens,
                        padding=False)["input_ids"]
        row.append(ids, 0, 0, groups[i] if groups else 0)
    return row


def pair(tokenizer, a, b, max_tokens=512):
    """[CLS] a [SEP] b [SEP] as the tokenizer itself lays it out."""
    # As lists: transformers takes a bare pair whose second text is empty for a single text.
    encoded = tokenizer([a], [b], truncation="longest_first", max_length=max_tokens, padding=False)
    ids, types = encoded["input_ids"][0], encoded["token_type_ids"][0]
    first = types.index(1)
    row = Row()
    row.append(ids[:first], 0, 0, 0)
    row.append(ids[first:], 1, first, 0)
    return row


def batch(rows):
    """Examples one after the other in one row, which the mask keeps apart (no padding)."""
    whole = Row()
    for i, row in enumerate(rows):
        whole.ids = whole.ids + row.ids
        whole.types = whole.types + row.types
        whole.positions = whole.positions + row.positions
        whole.segments = whole.segments + row.segments
        whole.groups = whole.groups + row.groups
        whole.examples = whole.examples + [i] * len(row.ids)
    return whole


def mask_of(row, scope):
    """(T, T) true where the row's token sees the column's."""
    def same(ids):
        ids = torch.tensor(ids)
        return ids[:, None] == ids[None, :]

    mask = same(row.examples)
    if scope == "example":
        return mask
    return mask & same({"segment": row.segments, "group": row.groups}[scope])


class DenseBert:
    """Runs a BertForSequenceClassification's own parameters (autograd reaches them)."""

    def __init__(self, hugging_face_model):
        self.config = hugging_face_model.config
        self.p = dict(hugging_face_model.named_parameters())
        assert self.config.hidden_act == "gelu"

    def norm(self, x, name):
        return F.layer_norm(x, (x.shape[-1],), self.p[name + ".weight"], self.p[name + ".bias"],
                            self.config.layer_norm_eps)

    def linear(self, x, name):
        return F.linear(x, self.p[name + ".weight"], self.p[name + ".bias"])

    def embed(self, row):
        name = "bert.embeddings."
        x = (F.embedding(torch.tensor(row.ids), self.p[name + "word_embeddings.weight"])
             + F.embedding(torch.tensor(row.positions), self.p[name + "position_embeddings.weight"])
             + F.embedding(torch.tensor(row.types), self.p[name + "token_type_embeddings.weight"]))
        return self.norm(x, name + "LayerNorm")

    def layer(self, x, index, mask):
        name = f"bert.encoder.layer.{index}."
        heads = self.config.num_attention_heads

        def split(y):  # (T, C) to (H, T, D)
            return y.view(y.shape[0], heads, -1).transpose(0, 1)

        q, k, v = (split(self.linear(x, f"{name}attention.self.{part}"))
                   for part in ("query", "key", "value"))
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
        context = (weights @ v).transpose(0, 1).reshape(x.shape)
        x = self.norm(x + self.linear(context, name + "attention.output.dense"),
                      name + "attention.output.LayerNorm")
        inner = F.gelu(self.linear(x, name + "intermediate.dense"))
        return self.norm(x + self.linear(inner, name + "output.dense"), name + "output.LayerNorm")

    def states(self, row, schedule):
        """[states that enter layer 0, layer 1, …, final states] under a schedule."""
        scopes = [scope for num_layers, scope in schedule for _ in range(num_layers)]
        assert len(scopes) == self.config.num_hidden_layers
        found = [self.embed(row)]
        for index, scope in enumerate(scopes):
            found.append(self.layer(found[-1], index, mask_of(row, scope)))
        return found

    def pool(self, row, states, schedule, pooling):
        """The features that the classifier reads."""
        final = states[-1]
        if pooling == "cls":
            return torch.tanh(self.linear(final[0], "bert.pooler.dense"))
        if pooling == "mean":
            return final.mean(0)
        source = final
        if pooling == "cls_segments":
            before = 0  # layers before the first example-scope stage
            for num_layers, scope in schedule:
                if scope == "example" and num_layers > 0:
                    break
                before += num_layers
            if 0 < before < self.config.num_hidden_layers:
                source = states[before]
        segment = torch.tensor(row.segments)
        means = [source[segment == i].mean(0) for i in range(row.num_segments)]
        u, v = means[0], torch.stack(means[1:]).mean(0)
        features = [u, v, (u - v).abs(), u * v]
        return torch.cat(([final[0]] if pooling == "cls_segments" else []) + features)

    def num_features(self, pooling):
        parts = {"cls": 1, "mean": 1, "segments": 4, "cls_segments": 5}
        return self.config.hidden_size * parts[pooling]


def split_schedule(independent_layers, num_layers):
    return [(independent_layers, "segment"), (num_layers - independent_layers, "example")]
