"""Prints the speed of the Rust tokenizer and of ours, each on one core over the same lines.

    tokenizer_bench.py LAIT_BENCH MODEL_DIR [TEXT_FILE]

LAIT_BENCH is build/bin/lait-bench. Without TEXT_FILE: the glosses of WordNet. The peer is the
faster of encode_batch and encode_batch_fast over all lines, without parallelism. Both figures are
medians of repeats. Exits with 1 if ours is slower or gives another number of tokens.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402
from transformers import BertTokenizerFast  # noqa: E402

REPEATS = 5


def gloss_file(directory):
    path = pathlib.Path(directory) / "wordnet_glosses.txt"
    with open(path, "wb") as out:
        for part in ("adj", "adv", "noun", "verb"):
            for line in open(f"/usr/share/wordnet/data.{part}", "rb"):
                if not line.startswith(b"  "):  # the licence at the head
                    out.write(line.split(b" | ", 1)[1].strip() + b"\n")
    return path


def rust(model_dir, lines):
    """(seconds, tokens) of the faster method."""
    backend = BertTokenizerFast.from_pretrained(model_dir).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    best = None
    for method in (backend.encode_batch, backend.encode_batch_fast):
        times = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            encodings = method(lines, add_special_tokens=False)
            times.append(time.perf_counter() - begin)
        seconds = statistics.median(times)
        if best is None or seconds < best[0]:
            best = (seconds, sum(map(len, encodings)))
    return best


def main(lait_bench, model_dir, text_file=None):
    with tempfile.TemporaryDirectory() as scratch:
        text_file = text_file or gloss_file(scratch)
        text = pathlib.Path(text_file).read_bytes().decode("utf-8", errors="replace")
        lines = text.replace("\r\n", "\n").split("\n")
        report = pathlib.Path(scratch) / "report.json"
        command = [lait_bench, "tokenizer", "--model", model_dir, "--text", text_file,
                   "--json", report]
        subprocess.run(command, check=True)
        ours = json.loads(report.read_text())["rows"][0]
    seconds, tokens = rust(model_dir, lines)
    rust_speed = ours["bytes"] / 1e6 / seconds
    print(f"rust  {rust_speed:.1f} MB/s  {tokens / 1e6 / seconds:.2f} million tokens/s  "
          f"(tokenizers {tokenizers.__version__}, median of {REPEATS})")
    print(f"lait is {ours['megabytes_per_s'] / rust_speed:.1f} times as fast")
    if tokens != ours["tokens"]:
        sys.exit(f"the numbers of tokens differ: rust {tokens}, lait {ours['tokens']}")
    if ours["megabytes_per_s"] < rust_speed:
        sys.exit("lait is slower")


if __name__ == "__main__":
    main(*sys.argv[1:])
