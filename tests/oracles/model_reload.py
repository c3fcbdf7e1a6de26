"""Loads a saved checkpoint with transformers and writes its logits for the first "pairs" examples.

    model_reload.py CHECKPOINT_DIR CASES_JSON OUTPUT.safetensors NUM_EXAMPLES
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

from model_parity import hugging_face_states, load_tokenizer


@torch.no_grad()
def main():
    checkpoint, cases, output = sys.argv[1:4]
    num_examples = int(sys.argv[4])
    torch.set_num_threads(2)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    problems = {kind: sorted(info[kind])
                for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]}
    if problems:
        sys.exit(f"{checkpoint}: transformers reports {problems}")
    tokenizer = load_tokenizer(checkpoint)
    pairs = json.loads(pathlib.Path(cases).read_text())["sets"]["pairs"][:num_examples]
    logits = [hugging_face_states(model.eval(), tokenizer, pair["segments"])[1] for pair in pairs]
    save_file({"logits": torch.stack(logits)}, output,
              metadata={"id2label": json.dumps(model.config.id2label)})


if __name__ == "__main__":
    main()
