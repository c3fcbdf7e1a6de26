"""Writes the parity oracle of training: ten steps in plain PyTorch, dropout 0, fp32.

    train_parity.py MODEL_DIR OUTPUT_DIR

OUTPUT_DIR/parity.safetensors  "head.POOLING.weight|bias", "head.cls.dense.weight|bias" as in
                               model_parity.py: the seeded head that training starts from
                               "lexical_bias": (L, H), which training with one starts from
OUTPUT_DIR/cases.json          {"training": {…}, "cases": [{"name", "format",
                                "independent_layers", "one_sided", "lexical_bias", "pooling",
                                "examples": [{"segments", "label"}], "batches": [[…]],
                                "teacher": null or {"logits": [[…]], "temperature", "weight",
                                "num_labelled": the examples behind these have no label},
                                "losses": […], "mutants": {name: losses}}]}

A mutant is the same loop with one rule of the recipe broken. The test asserts that the program
follows the recipe. Each mutant's losses differ from it by more than the tolerance, so the test
would notice a broken rule.
"""
import copy
import itertools
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import model_dense
from model_parity import NUM_LABELS, head_layers, head_tensors, load, load_tokenizer
from model_texts import Texts

STEPS, BATCH_SIZE = 10, 8
TRAINING = {"steps": STEPS, "batch_size": BATCH_SIZE, "learning_rate": 1e-4,
            "head_learning_rate_factor": 10.0, "weight_decay": 10.0, "beta1": 0.9, "beta2": 0.999,
            "epsilon": 1e-8, "warmup": 0.2, "max_grad_norm": 1.0,
            "lexical_bias_learning_rate": 0.3}
MUTANTS = {"no_decay": {"weight_decay": 0.0},
           "one_learning_rate": {"head_learning_rate_factor": 1.0},
           "no_clipping": {"max_grad_norm": 1e9}, "no_warmup": {"warmup": 0.0},
           "beta2": {"beta2": 0.9}, "decay_everywhere": {"decay_everywhere": True},
           "no_decline": {"no_decline": True}}
# For families with their own layer below "cls", and for MPNet.
CLS_DENSE_MUTANTS = {"dense_at_encoder_rate": {"dense_at_encoder_rate": True}}
DISTILLED_MUTANTS = {"temperature_not_squared": {"squares_temperature": False},
                     "labels_only": {"weight": 0.0}, "same_weight_without_label": {"soft": 0.7}}
RELATIVE_BIAS_MUTANTS = {"decay_relative_bias": {"decay_relative_bias": True}}
LEXICAL_BIAS_MUTANTS = {"decay_lexical_bias": {"decay_lexical_bias": True},
                        "special_tokens_match": {"special_tokens_match": True}}
# Not for RoBERTa, of whose tokens few match: a word at the start of a text is another one.
LEXICAL_BIAS_RATE_MUTANTS = {"lexical_bias_at_encoder_rate": {"lexical_bias_learning_rate": 1e-4}}


def rate(step, steps, warmup_steps):
    """The learning rate's factor in a step counted from 0: linear from 0 up, then linear to 0."""
    if step < warmup_steps:
        return step / warmup_steps
    return (steps - step) / max(1, steps - warmup_steps)


def parameter_groups(named_parameters, recipe):
    groups = []
    for name, parameter in named_parameters:
        head = name.startswith("classifier.")
        if recipe.get("dense_at_encoder_rate") and name.startswith("classifier.dense."):
            head = False
        # MPNet's table counts as a bias, as in transformers' Trainer.
        table = "relative_attention_bias" in name and not recipe.get("decay_relative_bias")
        bias = name.endswith(".bias") or table
        decays = not (bias or "LayerNorm" in name) or recipe.get("decay_everywhere", False)
        groups.append({"params": [parameter],
                       "weight_decay": recipe["weight_decay"] if decays else 0.0,
                       "factor": recipe["head_learning_rate_factor"] if head else 1.0})
    return groups


def distilled(logits, batch, labels, teacher, recipe):
    """The mean over the examples of the label's loss and the teacher's, without a label of that."""
    weight, temperature = recipe.get("weight", teacher["weight"]), teacher["temperature"]
    losses = []
    for row, i in zip(logits, batch):
        soft = F.kl_div(F.log_softmax(row / temperature, 0),
                        F.softmax(torch.tensor(teacher["logits"][i]) / temperature, 0),
                        reduction="sum")
        soft = soft * (temperature ** 2 if recipe.get("squares_temperature", True) else 1)
        if i < teacher["num_labelled"]:
            losses.append((1 - weight) * F.cross_entropy(row, torch.tensor(labels[i])) +
                          weight * soft)
        else:
            losses.append(recipe.get("soft", 1) * soft)
    return torch.stack(losses).mean()


def train(model, rows, labels, batches, schedule, pooling, teacher, recipe, lexical_bias=None,
          special_ids=None):
    """The loss of each step. `special_ids` match nothing."""
    model = copy.deepcopy(model).train(False)  # dropout 0
    dense = model_dense.DenseModel(model)
    output = head_layers(model)[1] if pooling == "cls" else model.classifier
    named = [(name, p) for name, p in model.named_parameters()]
    groups = parameter_groups(named, recipe)
    if lexical_bias is not None:
        dense.lexical_bias = lexical_bias.clone().requires_grad_()
        dense.special_ids = [] if recipe.get("special_tokens_match") else special_ids
        named.append(("lexical_bias", dense.lexical_bias))
        decay = recipe["weight_decay"] if recipe.get("decay_lexical_bias") else 0.0
        groups.append({"params": [dense.lexical_bias], "weight_decay": decay,
                       "factor": recipe["lexical_bias_learning_rate"] / recipe["learning_rate"]})
    optimizer = torch.optim.AdamW(groups, lr=1.0,
                                  betas=(recipe["beta1"], recipe["beta2"]), eps=recipe["epsilon"])
    warmup_steps = round(recipe["warmup"] * len(batches))
    losses = []
    for step, batch in enumerate(batches):
        factor = rate(step, len(batches), warmup_steps)
        if recipe.get("no_decline") and step >= warmup_steps:
            factor = 1.0
        for group in optimizer.param_groups:
            group["lr"] = recipe["learning_rate"] * group["factor"] * factor
        ends = list(itertools.accumulate(len(rows[i].ids) for i in batch))
        states = dense.states(model_dense.batch([rows[i] for i in batch]), schedule)
        features = [dense.pool(rows[i], [x[end - len(rows[i].ids):end] for x in states], schedule,
                               pooling)
                    for i, end in zip(batch, ends)]
        logits = output(torch.stack(features))
        loss = (F.cross_entropy(logits, torch.tensor([labels[i] for i in batch]))
                if teacher is None else distilled(logits, batch, labels, teacher, recipe))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], recipe["max_grad_norm"])
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    model_dir, output = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(2)
    output.mkdir(parents=True, exist_ok=True)
    (output / "cases.json").unlink(missing_ok=True)
    base, tokenizer = load(model_dir), load_tokenizer(model_dir)
    num_layers = base.config.num_hidden_layers
    texts = Texts(seed=34)
    # Each gloss occurs with two claims, so that batches share segments.
    evidence = [texts.gloss() for _ in range(STEPS * BATCH_SIZE // 2)]
    examples = [{"segments": [evidence[i // 2], texts.claim()],
                 "label": texts.random.randrange(NUM_LABELS)}
                for i in range(STEPS * BATCH_SIZE)]
    batches = [list(range(begin, begin + BATCH_SIZE))
               for begin in range(0, len(examples), BATCH_SIZE)]
    labels = [example["label"] for example in examples]
    # For the lexical bias the segments have words in common.
    common = [{**example, "segments": [example["segments"][0],
                                       " ".join(example["segments"][0].split()[:8])
                                       + " " + example["segments"][1]]}
              for example in examples]
    lexical_bias = torch.randn(num_layers, base.config.num_attention_heads,
                               generator=torch.Generator().manual_seed(10))
    strided = [list(range(step, len(examples), STEPS)) for step in range(STEPS)]
    teacher = {"logits": [[texts.random.gauss(0, 2) for _ in range(NUM_LABELS)] for _ in examples],
               "temperature": 2.0, "weight": 0.7, "num_labelled": 50}
    tensors, cases = {"lexical_bias": lexical_bias}, []
    half = num_layers // 2
    for name, p, one_sided, segment_format, pooling in (
            ("stock", 0, False, "pair", "cls"),
            (f"split{half}", half, False, "standalone", "cls_segments"),
            (f"one_sided{half}", half, True, "standalone", "cls_segments"),
            (f"lexical{half}", half, False, "standalone", "cls_segments"),
            (f"lexical_one_sided{half}", half, True, "standalone", "cls_segments"),
            (f"distilled{half}", half, False, "standalone", "cls_segments")):
        is_lexical, is_distilled = name.startswith("lexical"), name.startswith("distilled")
        case_batches, case_teacher = (strided, teacher) if is_distilled else (batches, None)
        model = copy.deepcopy(base)
        if pooling != "cls":
            num_features = model_dense.DenseModel(model).num_features(pooling)
            model.classifier = torch.nn.Linear(num_features, NUM_LABELS)
        dense, last = head_layers(model) if pooling == "cls" else (None, model.classifier)
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            last.weight.normal_(0, 0.05, generator=generator)
            last.bias.zero_()
        tensors |= head_tensors(model, pooling)
        plain = p > 0 and not one_sided and not is_distilled and not is_lexical
        mutants = dict(MUTANTS) if plain else dict(DISTILLED_MUTANTS) if is_distilled else {}
        if is_lexical and not one_sided:
            mutants |= LEXICAL_BIAS_MUTANTS
            if model.config.model_type != "roberta":
                mutants |= LEXICAL_BIAS_RATE_MUTANTS
        if dense is not None:
            mutants |= CLS_DENSE_MUTANTS
        family = model_dense.FAMILIES[model.config.model_type]
        if plain and family.has_relative_bias:
            mutants |= RELATIVE_BIAS_MUTANTS
        schedule = model_dense.split_schedule(p, num_layers)
        if one_sided:
            schedule[-1] += ("first",)
        texts_of = common if is_lexical else examples
        rows = [model_dense.pair(tokenizer, *e["segments"]) if segment_format == "pair"
                else model_dense.standalone(tokenizer, e["segments"]) for e in texts_of]
        run = lambda recipe: train(model, rows, labels, case_batches, schedule, pooling,
                                   case_teacher, recipe, lexical_bias if is_lexical else None,
                                   tokenizer.all_special_ids)
        cases.append({"name": name, "format": segment_format, "independent_layers": p,
                      "one_sided": one_sided, "lexical_bias": is_lexical, "pooling": pooling,
                      "examples": texts_of, "batches": case_batches, "teacher": case_teacher,
                      "losses": run(TRAINING),
                      "mutants": {mutant: run({**TRAINING, **change})
                                  for mutant, change in mutants.items()}})
    save_file(tensors, output / "parity.safetensors")
    (output / "cases.json").write_text(json.dumps({"training": TRAINING, "cases": cases}))


if __name__ == "__main__":
    main()
