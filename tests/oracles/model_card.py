"""Reads a model card with huggingface_hub and writes its front matter.

    model_card.py README.md OUTPUT.json
"""
import json
import pathlib
import sys

from huggingface_hub import ModelCard

card = ModelCard.load(sys.argv[1])
out = card.data.to_dict()
out["results"] = [
    [r.task_type, r.dataset_type, r.dataset_split, r.metric_type, r.metric_value]
    for r in card.data.eval_results
]
out["text"] = card.text
pathlib.Path(sys.argv[2]).write_text(json.dumps(out))
