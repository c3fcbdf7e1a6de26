"""Runs a checkpoint of lait-train with transformers (output.hf_code: true; trust_remote_code=True).

    model = AutoModelForSequenceClassification.from_pretrained("best", trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained("best", trust_remote_code=True)
    batch = model.encode_segments(tokenizer, [["A man sleeps.", "Somebody is asleep."]])
    logits = model.eval()(**batch).logits

A token sees its own segment, group or example, as the layer's scope says (LAIT, arXiv 2305.19585,
section 3): eager attention over padded batches, with a block mask for each layer. config.json says
which model it is: "base_model_type" and, under "lait", the settings of lait.yaml. Parameters have
the names of the base model's checkpoints.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

PADDING = -1  # the segment of a padded token
# MPNet's position of a token that is not counted, whatever config.json says.
MPNET_PADDING = 1
BUCKETS, EXACT_BUCKETS = 32, 8  # of MPNet's relative positions; half of them are exact


class LaitConfig(PretrainedConfig):
    model_type = "lait"


def tree(**children):
    """A module of modules, for names like attention.self.query."""
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module


def bucket(distance):
    """MPNet's bucket of a key's index minus the query's. From 8 on each doubling has two buckets, 8
    + floor(2 log2(|distance| / 8)), computed in whole numbers; the last one has no end."""
    size = distance.abs()
    far = EXACT_BUCKETS + sum((size * size >= 64 << k).long() for k in range(1, EXACT_BUCKETS))
    return torch.where(size < EXACT_BUCKETS, size, far) + BUCKETS // 2 * (distance > 0)


def are_groups(groups, num_segments):
    steps = [after - before for before, after in zip(groups, groups[1:])]
    return len(groups) == num_segments and groups[0] == 0 and set(steps) <= {0, 1}


class Layer(nn.Module):
    """A post-norm layer; eager attention."""

    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size

        def norm():
            return nn.LayerNorm(width, eps=config.layer_norm_eps)

        q, k, v, o = (nn.Linear(width, width) for _ in range(4))
        if config.base_model_type == "mpnet":
            self.attention = tree(attn=tree(q=q, k=k, v=v, o=o), LayerNorm=norm())
            self.parts = ("attn.q", "attn.k", "attn.v", "attn.o", "LayerNorm")
        else:
            self.attention = tree(**{"self": tree(query=q, key=k, value=v),
                                     "output": tree(dense=o, LayerNorm=norm())})
            self.parts = ("self.query", "self.key", "self.value", "output.dense",
                          "output.LayerNorm")
        self.intermediate = tree(dense=nn.Linear(width, inner))
        self.output = tree(dense=nn.Linear(inner, width), LayerNorm=norm())
        self.num_heads = config.num_attention_heads
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.attention_dropout = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(self, x, mask, bias):  # (B, T, C), (B, 1, T, T), (1, H, T, T) or None
        q, k, v, o, attention_norm = map(self.attention.get_submodule, self.parts)

        def split(y):  # (B, T, C) to (B, H, T, D)
            return y.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        queries, keys, values = split(q(x)), split(k(x)), split(v(x))
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        if bias is not None:
            scores = scores + bias
        scores = scores.masked_fill(~mask, float("-inf"))
        weights = self.attention_dropout(torch.softmax(scores, -1, dtype=torch.float32))
        context = (weights.to(x.dtype) @ values).transpose(1, 2).flatten(2)
        x = attention_norm(x + self.dropout(o(context)))
        inner = F.gelu(self.intermediate.dense(x))
        return self.output.LayerNorm(x + self.dropout(self.output.dense(inner)))


class Encoder(nn.Module):
    def __init__(self, config, with_pooler):
        super().__init__()
        width = config.hidden_size
        tables = {"word_embeddings": nn.Embedding(config.vocab_size, width),
                  "position_embeddings": nn.Embedding(config.max_position_embeddings, width)}
        self.has_types = config.base_model_type != "mpnet"
        if self.has_types:
            tables["token_type_embeddings"] = nn.Embedding(config.type_vocab_size, width)
        self.embeddings = tree(**tables, LayerNorm=nn.LayerNorm(width, eps=config.layer_norm_eps))
        stack = {"layer": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))}
        self.has_relative_bias = config.base_model_type == "mpnet"
        if self.has_relative_bias:
            stack["relative_attention_bias"] = nn.Embedding(BUCKETS, config.num_attention_heads)
        self.encoder = tree(**stack)
        if with_pooler:
            self.pooler = tree(dense=nn.Linear(width, width))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def embed(self, input_ids, token_type_ids, position_ids):
        tables = self.embeddings
        x = tables.word_embeddings(input_ids) + tables.position_embeddings(position_ids)
        if self.has_types:
            x = x + tables.token_type_embeddings(token_type_ids)
        return self.dropout(tables.LayerNorm(x))

    def bias(self, num_tokens, device):
        """(1, H, T, T); distances count the example's tokens, those of one segment stand together.
        """
        if not self.has_relative_bias:
            return None
        index = torch.arange(num_tokens, device=device)
        buckets = bucket(index[None, :] - index[:, None])
        return self.encoder.relative_attention_bias(buckets).permute(2, 0, 1)[None]


class LaitForSequenceClassification(PreTrainedModel):
    config_class = LaitConfig
    main_input_name = "input_ids"
    # BERT's pooler is kept in the checkpoint if the head does not read it.
    _keys_to_ignore_on_load_unexpected = [r"pooler\."]

    def __init__(self, config):
        super().__init__(config)
        self.settings = config.lait
        width, pooling = config.hidden_size, self.settings["pooling"]
        reads_cls, is_bert = pooling == "cls", config.base_model_type == "bert"
        self.add_module(config.base_model_type, Encoder(config, reads_cls and is_bert))
        factor = {"cls": 1, "mean": 1, "segments": 4, "cls_segments": 5}[pooling]
        output = nn.Linear(factor * width, config.num_labels)
        if is_bert:
            self.classifier = output
        elif reads_cls:
            self.classifier = tree(dense=nn.Linear(width, width), out_proj=output)
        else:
            self.classifier = tree(out_proj=output)
        dropout = getattr(config, "classifier_dropout", None)
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.post_init()

    @property
    def transformer(self):
        return getattr(self, self.config.base_model_type)

    def encode_segments(self, tokenizer, examples, groups=None):
        """The inputs of `forward` for examples, each a list of segments (texts); with a stage of
        group scope also `groups`, a list of numbers from 0 for each example."""
        rows = []
        for i, segments in enumerate(examples):
            if isinstance(segments, str) or len(segments) == 0:
                raise ValueError(f"example {i}: expected a list of segments, got {segments!r}")
            if groups is not None and not are_groups(groups[i], len(segments)):
                raise ValueError(f"example {i}: expected groups: a whole number for each segment, "
                                 f"from 0, each the one before or one more, got {groups[i]}")
            rows.append(self._row(tokenizer, segments, groups[i] if groups else None, i))
        padding = {"input_ids": self.config.pad_token_id, "token_type_ids": 0, "position_ids": 0,
                   "segment_ids": PADDING, "group_ids": PADDING}
        longest = max((len(row["input_ids"]) for row in rows), default=0)
        return {name: torch.tensor([row[name] + [padding[name]] * (longest - len(row[name]))
                                    for row in rows], dtype=torch.long, device=self.device)
                for name in rows[0]} if rows else {}

    def _row(self, tokenizer, segments, groups, index):
        row = {"input_ids": [], "token_type_ids": [], "position_ids": [], "segment_ids": []}
        if self.settings["segment_format"] == "pair":  # the others are one text, joined by blanks
            ids, first = self._sequence(tokenizer, segments[:1], segments[1:], index)
            second_type = 1 if self.config.base_model_type == "bert" else 0
            row["token_type_ids"] = [0] * first + [second_type] * (len(ids) - first)
            row["segment_ids"] = [0] * first + [1] * (len(ids) - first)
            row["input_ids"], row["position_ids"] = ids, self._positions(ids)
            return row
        for number, text in enumerate(segments):
            ids, _ = self._sequence(tokenizer, [text], [], index)
            row["input_ids"] += ids
            row["token_type_ids"] += [0] * len(ids)
            row["position_ids"] += self._positions(ids)
            row["segment_ids"] += [number] * len(ids)
        if groups is not None:
            row["group_ids"] = [groups[segment] for segment in row["segment_ids"]]
        return row

    def _sequence(self, tokenizer, first, others, index):
        """The tokens of a sequence, and how many of them count to its first segment."""
        limit = self.settings["max_segment_tokens"]
        truncates = self.settings["on_overflow"] == "truncate"
        texts = [first] + ([[" ".join(others)]] if others else [])
        encoded = tokenizer(*texts, truncation="longest_first" if truncates else False,
                            max_length=limit if truncates else None, padding=False)
        ids = list(encoded["input_ids"][0])
        if len(ids) > limit:
            raise ValueError(f"example {index}: expected at most {limit} tokens "
                             f"(max_segment_tokens), got {len(ids)}")
        # The token before the first segment and the one behind it count to it.
        return ids, encoded.sequence_ids(0).count(0) + 2 if others else len(ids)

    def _positions(self, ids):
        """Of a sequence: RoBERTa and MPNet count from the padding token's on, and do not count it.
        """
        if self.config.base_model_type == "bert":
            return list(range(len(ids)))
        padding = (MPNET_PADDING if self.config.base_model_type == "mpnet"
                   else self.config.pad_token_id)
        positions, counted = [], padding
        for token in ids:
            counted += token != padding
            positions.append(padding if token == padding else counted)
        return positions

    def forward(self, input_ids, segment_ids=None, position_ids=None, token_type_ids=None,
                group_ids=None, labels=None):
        """Each (B, T), as encode_segments makes them; segment_ids is -1 at padding."""
        if segment_ids is None or position_ids is None or token_type_ids is None:
            raise ValueError("expected segment_ids, position_ids and token_type_ids: make the "
                             "inputs with model.encode_segments(tokenizer, [[text, text], …])")
        # Padding sees padding only.
        units = {"segment": segment_ids, "group": group_ids,
                 "example": segment_ids.clamp(max=0)}
        transformer = self.transformer
        x = transformer.embed(input_ids, token_type_ids, position_ids)
        bias = transformer.bias(input_ids.shape[1], input_ids.device)
        layers = iter(transformer.encoder.layer)
        at_join = None
        for stage in self.settings["schedule"]:
            ids = units[stage["scope"]]
            if ids is None:
                raise ValueError("expected group_ids, since the schedule has a stage of group "
                                 "scope: pass groups to encode_segments")
            if stage["scope"] == "example" and at_join is None:
                at_join = x
            mask = (ids[:, :, None] == ids[:, None, :])[:, None]
            # In a one-sided stage only the first segment's states change.
            updated = (segment_ids == 0)[:, :, None] | (stage.get("updates") != "first")
            for _ in range(stage["num_layers"]):
                x = torch.where(updated, next(layers)(x, mask, bias), x)
        # Without a layer before the join, the states that enter it are no states of segments.
        if at_join is None or self.settings["schedule"][0]["scope"] == "example":
            at_join = x
        features = self.dropout(self._pool(x, at_join, segment_ids))
        logits = getattr(self.classifier, "out_proj", self.classifier)(features)
        return SequenceClassifierOutput(loss=self._loss(logits, labels), logits=logits)

    def _pool(self, final, at_join, segment_ids):
        """What the head reads: (B, C), (B, 4 C) or (B, 5 C)."""
        pooling = self.settings["pooling"]
        if pooling == "cls":
            if self.config.base_model_type == "bert":
                return torch.tanh(self.transformer.pooler.dense(final[:, 0]))
            return torch.tanh(self.classifier.dense(self.dropout(final[:, 0])))
        if pooling == "mean":
            return self._means(final, segment_ids.clamp(max=0), 1)[:, 0]
        count = int(segment_ids.max()) + 1
        means = self._means(at_join if pooling == "cls_segments" else final, segment_ids, count)
        others = (segment_ids.amax(1, keepdim=True)).clamp(min=1).to(final.dtype)
        u, v = means[:, 0], means[:, 1:].sum(1) / others
        features = [u, v, (u - v).abs(), u * v]
        return torch.cat(([final[:, 0]] if pooling == "cls_segments" else []) + features, 1)

    @staticmethod
    def _means(states, unit_ids, count):
        """(B, count, C): the mean of each unit's states; zero for units that an example lacks."""
        of_unit = unit_ids[:, None, :] == torch.arange(count, device=unit_ids.device)[:, None]
        weights = of_unit.to(states.dtype)
        return weights @ states / weights.sum(2, keepdim=True).clamp(min=1)

    def _loss(self, logits, labels):
        if labels is None:
            return None
        if self.settings["head"] == "regression":
            return F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))
        if self.settings["head"] == "relevance":
            return F.binary_cross_entropy_with_logits(logits.squeeze(-1), labels.to(logits.dtype))
        return F.cross_entropy(logits, labels)
