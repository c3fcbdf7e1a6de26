"""Training steps or predictions of transformers' stock model, timed by lait-bench.

    stock_model_peer.py MODEL_DIR BATCHES.json

BATCHES.json: {"mode": "train" or "predict", "threads", "num_labels", "learning_rate", "optimizer",
"label_tokens": [[token ids of a label's text], …] (empty for a classifier), "batches":
[[[token ids of a pair, tokens of its first segment, label], …], …]}.

Batches are padded to their longest example. Of what transformers offers the fastest is used, as a
first run of each finds: fp32 or bf16 (in training by autocast), SDPA where the model has it; of a
model that writes labels, the ranking of all labels or greedy decoding. When it is chosen, a line
{"variant", "saved_bytes"} is written: the bytes of what forward saves for backward on the largest
batch, weights excepted; or {"problem"}, where none runs on that batch, say for lack of memory. Then
each line on standard input asks for a run over all batches, and a line {"peak_bytes"} answers: the
process's peak of memory in it.
"""
import contextlib
import json
import os
import resource
import sys
import time

import torch
from transformers import (AutoConfig, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification)

IGNORED = -100


def padded(batch, config, settings):
    longest = max(len(ids) for ids, _, _ in batch)
    ids = torch.full((len(batch), longest), config.pad_token_id or 0)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, first, _) in enumerate(batch):
        ids[row, :len(tokens)] = torch.tensor(tokens)
        mask[row, :len(tokens)] = 1
        types[row, first:len(tokens)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    if config.model_type == "bert":
        inputs["token_type_ids"] = types
    if settings["mode"] == "predict":
        return inputs
    labels = [label for _, _, label in batch]
    if settings["label_tokens"]:
        labels = padded_labels([settings["label_tokens"][int(label)] for label in labels])
    else:
        labels = torch.tensor(labels)
        labels = labels.float() if settings["num_labels"] == 1 else labels.long()
    return inputs | {"labels": labels}


def padded_labels(labels):
    longest = max(map(len, labels))
    return torch.tensor([label + [IGNORED] * (longest - len(label)) for label in labels])


def load(model_dir, settings):
    kind = (AutoModelForSeq2SeqLM if settings["label_tokens"]
            else AutoModelForSequenceClassification)
    options = {} if settings["label_tokens"] else {"num_labels": settings["num_labels"]}
    weights = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    for attention in ({"attn_implementation": "sdpa"}, {}):
        try:
            if any(os.path.exists(os.path.join(model_dir, name)) for name in weights):
                return kind.from_pretrained(model_dir, torch_dtype=torch.float32, **attention,
                                            ignore_mismatched_sizes=True, **options)
            config = AutoConfig.from_pretrained(model_dir, **options)
            return kind.from_config(config, **attention)
        except ValueError:  # the model has no SDPA
            continue
    sys.exit(f"{model_dir}: transformers loads no model")


class Training:
    def __init__(self, model, settings, bf16):
        self.model, self.bf16 = model.train(), bf16
        parameters = list(model.parameters())
        if settings["optimizer"] == "adafactor":
            from transformers.optimization import Adafactor
            self.clips = False
            self.optimizer = Adafactor(parameters, lr=settings["learning_rate"],
                                       relative_step=False)
        else:
            self.clips = True
            self.optimizer = torch.optim.AdamW(parameters, lr=settings["learning_rate"], fused=True)

    def loss(self, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return self.model(**batch).loss

    def run(self, batches):
        for batch in batches:
            self.loss(batch).backward()
            if self.clips:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


class Prediction:
    def __init__(self, model, settings, bf16, greedy=False):
        self.model = model.eval().to(torch.bfloat16 if bf16 else torch.float32)
        self.labels, self.greedy = settings["label_tokens"], greedy

    @torch.inference_mode()
    def run(self, batches):
        for batch in batches:
            if not self.labels:
                self.model(**batch).logits.argmax(-1).tolist()
            elif self.greedy:
                self.model.generate(**batch, do_sample=False, num_beams=1,
                                    max_new_tokens=max(map(len, self.labels))).tolist()
            else:
                self.rank(batch).argmax(-1).tolist()

    def rank(self, batch):
        states = self.model.get_encoder()(**batch)
        size, count = len(batch["input_ids"]), len(self.labels)
        states.last_hidden_state = states.last_hidden_state.repeat_interleave(count, 0)
        labels = padded_labels(self.labels).repeat(size, 1)
        mask = batch["attention_mask"].repeat_interleave(count, 0)
        logits = self.model(encoder_outputs=states, attention_mask=mask, labels=labels).logits
        log_p = torch.log_softmax(logits.float(), -1)
        chosen = log_p.gather(2, labels.clamp_min(0).unsqueeze(2)).squeeze(2)
        return chosen.masked_fill(labels == IGNORED, 0).sum(1).view(size, count)


def saved_bytes(training, batch):
    """What the graph of a forward pass holds, each memory once, without weights and autocast's
    copies of them."""
    weights = {p.untyped_storage().data_ptr() for p in training.model.parameters()}
    weights |= {b.untyped_storage().data_ptr() for b in training.model.buffers()}
    shapes = {tuple(sorted(p.shape)) for p in training.model.parameters() if p.dim() == 2}
    held = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        is_copy = (tensor.dtype == torch.bfloat16 and tensor.dim() == 2
                   and tuple(sorted(tensor.shape)) in shapes)
        if storage.data_ptr() not in weights and not is_copy:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = training.loss(batch)
    del loss
    return sum(held.values())


def peak_bytes():
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def forget_peak():
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")


def limit_memory():
    """An allocation beyond what is there fails, before the kernel ends processes."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        available = next(1024 * int(line.split()[1]) for line in file
                         if line.startswith("MemAvailable:"))
    with open("/proc/self/statm", encoding="utf-8") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + available, used + available))


def variants(model, settings):
    if settings["mode"] == "train":
        return {f"{name}": lambda bf16=bf16: Training(model, settings, bf16)
                for name, bf16 in (("bf16", True), ("fp32", False))}
    made = {}
    for greedy in (False, True) if settings["label_tokens"] else (False,):
        for name, bf16 in (("bf16", True), ("fp32", False)):
            made[name + (", greedy" if greedy else "")] = (
                lambda bf16=bf16, greedy=greedy: Prediction(model, settings, bf16, greedy))
    return made


def fastest(model, settings, batches):
    """Its name, and itself; or why none runs, and None."""
    largest = max(batches, key=lambda batch: batch["input_ids"].numel())
    found, problem = {}, ""
    for name, make in variants(model, settings).items():
        variant = None  # its optimizer's memory is free before the next one's is taken
        try:
            variant = make()
            variant.run([largest])
            began = time.perf_counter()
            variant.run([largest])
            found[time.perf_counter() - began] = name
        except RuntimeError as error:  # as a rule the allocator's
            problem = f"{name}: {error}".splitlines()[0]
            model.zero_grad(set_to_none=True)
    variant = None
    if not found:
        return problem, None
    name = found[min(found)]
    return name, variants(model, settings)[name]()


def main():
    model_dir, file = sys.argv[1:3]
    with open(file, encoding="utf-8") as text:
        settings = json.load(text)
    torch.set_num_threads(settings["threads"])
    model = load(model_dir, settings)
    limit_memory()
    batches = [padded(batch, model.config, settings) for batch in settings["batches"]]
    name, variant = fastest(model, settings, batches)
    if variant is None:
        print(json.dumps({"problem": name}), flush=True)
        return
    saved = 0
    if settings["mode"] == "train":
        saved = saved_bytes(variant, max(batches, key=lambda batch: batch["input_ids"].numel()))
    print(json.dumps({"variant": name, "saved_bytes": saved}), flush=True)
    for _ in sys.stdin:
        forget_peak()
        variant.run(batches)
        print(json.dumps({"peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
