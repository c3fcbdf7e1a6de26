"""BERT, RoBERTa and MPNet in plain PyTorch with a dense mask for every layer: the specification
that the packed model must equal.

No padding. A schedule is a list of (num_layers, scope) or (num_layers, scope, "first"). With the
latter only the states of the example's first segment change; the others stay what they were. A
token sees the tokens of its own segment, group or example, as the scope says (LAIT, arXiv
2305.19585, section 3). Written from the paper and the design, not from the C++ code: the mask is a
full boolean matrix.
"""
import dataclasses
import math

import torch
import torch.nn.functional as F


@dataclasses.dataclass(frozen=True)
class Family:
    """Where the families differ: names of parameters, the first position, MPNet's bias."""
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    # The layer below tanh that "cls" reads, and the layer after it.
    cls_dense: str = "classifier.dense"
    cls_output: str = "classifier.out_proj"
    # The table's row for position 0 of a segment: RoBERTa counts on from its padding token's id.
    first_position: int = 2
    has_token_types: bool = True
    has_relative_bias: bool = False


FAMILIES = {
    "bert": Family(cls_dense="bert.pooler.dense", cls_output="classifier", first_position=0),
    "roberta": Family(),
    "mpnet": Family(query="attention.attn.q", key="attention.attn.k", value="attention.attn.v",
                    attention_output="attention.attn.o", attention_norm="attention.LayerNorm",
                    has_token_types=False, has_relative_bias=True)}


class Row:
    """Tokens in a row: ids, types, positions from 0, and the segment, group and example of each."""

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
    """[CLS] s [SEP] or <s> s </s> for each segment, positions from 0 in each, token type 0."""
    row = Row()
    for i, text in enumerate(texts):
        ids = tokenizer(text, add_special_tokens=True, truncation=True, max_length=max_tokens,
                        padding=False)["input_ids"]
        row.append(ids, 0, 0, groups[i] if groups else 0)
    return row


def pair(tokenizer, a, b, max_tokens=512):
    """[CLS] a [SEP] b [SEP] or <s> a </s></s> b </s>, laid out by the tokenizer itself. The first
    segment ends after the first separator; RoBERTa's second one begins the second segment."""
    # As lists: transformers mistakes a bare pair with an empty second text for a single text.
    encoded = tokenizer([a], [b], truncation="longest_first", max_length=max_tokens, padding=False)
    ids = encoded["input_ids"][0]
    types = encoded["token_type_ids"][0] if "token_type_ids" in encoded else [0] * len(ids)
    first = encoded.sequence_ids(0).count(0) + 2
    row = Row()
    row.append(ids[:first], types[0], 0, 0)
    row.append(ids[first:], types[first], first, 0)
    assert row.types == types
    return row


def batch(rows):
    """The examples in one row, which the mask keeps apart (no padding)."""
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


def bucket(distance):
    """MPNet's bucket, 0 to 31, of a key's index minus the query's. The logarithm is computed in
    whole numbers: from 8 on each doubling has two buckets, 8 + floor(2 log2(|distance| / 8)), and
    the last bucket has no end."""
    size = distance.abs()
    far = 8 + sum((size * size >= 64 << k).long() for k in range(1, 8))
    return torch.where(size < 8, size, far) + 16 * (distance > 0)


class DenseModel:
    """Runs on a sequence classification model's own parameters, so autograd reaches them."""

    def __init__(self, hugging_face_model):
        self.config = hugging_face_model.config
        self.prefix = hugging_face_model.base_model_prefix + "."
        self.family = FAMILIES[self.config.model_type]
        self.p = dict(hugging_face_model.named_parameters())
        # (L, H): a scalar of each layer and head, added to the score of two rows that hold the same
        # token in different segments (MICE, arXiv 2602.16299), and the ids that match nothing.
        self.lexical_bias, self.special_ids = None, []
        assert self.config.hidden_act == "gelu"
        assert self.family.first_position in (0, self.config.pad_token_id + 1)
        # transformers uses 32 buckets whatever the config says.
        assert getattr(self.config, "relative_attention_num_buckets", 32) == 32

    def norm(self, x, name):
        return F.layer_norm(x, (x.shape[-1],), self.p[name + ".weight"], self.p[name + ".bias"],
                            self.config.layer_norm_eps)

    def linear(self, x, name):
        return F.linear(x, self.p[name + ".weight"], self.p[name + ".bias"])

    def embed(self, row):
        name = self.prefix + "embeddings."
        positions = torch.tensor(row.positions) + self.family.first_position
        x = (F.embedding(torch.tensor(row.ids), self.p[name + "word_embeddings.weight"])
             + F.embedding(positions, self.p[name + "position_embeddings.weight"]))
        if self.family.has_token_types:
            types = self.p[name + "token_type_embeddings.weight"]
            x = x + F.embedding(torch.tensor(row.types), types)
        return self.norm(x, name + "LayerNorm")

    def relative_bias(self, num_rows):
        """(H, T, T), the same for all layers. Distances count the row's tokens: they run over the
        segments of an example, and stay inside a segment if the mask leaves only its tokens."""
        index = torch.arange(num_rows)
        table = self.p[self.prefix + "encoder.relative_attention_bias.weight"]  # (32, H)
        return F.embedding(bucket(index[None, :] - index[:, None]), table).permute(2, 0, 1)

    def matches(self, row):
        """(T, T) true for the same token in different segments. (The mask keeps examples apart.)"""
        ids, segments = torch.tensor(row.ids), torch.tensor(row.segments)
        word = ~torch.isin(ids, torch.tensor(self.special_ids))
        return ((ids[:, None] == ids[None, :]) & (segments[:, None] != segments[None, :])
                & word[:, None])

    def layer(self, x, index, mask, bias):
        name = f"{self.prefix}encoder.layer.{index}."
        family, heads = self.family, self.config.num_attention_heads

        def split(y):  # (T, C) to (H, T, D)
            return y.view(y.shape[0], heads, -1).transpose(0, 1)

        q, k, v = (split(self.linear(x, name + part))
                   for part in (family.query, family.key, family.value))
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if bias is not None:
            scores = scores + bias
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)
        context = (weights @ v).transpose(0, 1).reshape(x.shape)
        attended = self.linear(context, name + family.attention_output)
        x = self.norm(x + attended, name + family.attention_norm)
        inner = F.gelu(self.linear(x, name + "intermediate.dense"))
        return self.norm(x + self.linear(inner, name + "output.dense"), name + "output.LayerNorm")

    def states(self, row, schedule):
        """Under a schedule: [states that enter layer 0, layer 1, …, final states]."""
        layers = [stage[1:] for stage in schedule for _ in range(stage[0])]
        assert len(layers) == self.config.num_hidden_layers
        found = [self.embed(row)]
        in_first = torch.tensor(row.segments)[:, None] == 0
        bias = self.relative_bias(len(row.ids)) if self.family.has_relative_bias else None
        matches = self.matches(row).float() if self.lexical_bias is not None else None
        for index, (scope, *updates) in enumerate(layers):
            added = bias
            if matches is not None:
                lexical = self.lexical_bias[index][:, None, None] * matches
                added = lexical if bias is None else bias + lexical
            new = self.layer(found[-1], index, mask_of(row, scope), added)
            found.append(torch.where(in_first, new, found[-1]) if updates else new)
        return found

    def pool(self, row, states, schedule, pooling):
        """The features that the classifier reads."""
        final = states[-1]
        if pooling == "cls":
            return torch.tanh(self.linear(final[0], self.family.cls_dense))
        if pooling == "mean":
            return final.mean(0)
        source = final
        if pooling == "cls_segments":
            before = 0  # layers before the first example-scope stage
            for num_layers, scope, *_ in schedule:
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
        vectors = {"cls": 1, "mean": 1, "segments": 4, "cls_segments": 5}
        return self.config.hidden_size * vectors[pooling]


def split_schedule(independent_layers, num_layers):
    return [(independent_layers, "segment"), (num_layers - independent_layers, "example")]
