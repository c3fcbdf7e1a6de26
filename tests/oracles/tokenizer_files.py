"""The tokenizer's files of a Hugging Face directory."""
import pathlib
import shutil

NAMES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.json",
         "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def copy_tokenizer(model_dir, directory):
    for name in NAMES:
        if (pathlib.Path(model_dir) / name).exists():
            shutil.copy(pathlib.Path(model_dir) / name, directory)
