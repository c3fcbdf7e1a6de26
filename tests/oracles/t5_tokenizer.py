"""Writes the oracle of T5's tokenizer: texts, and what transformers 4.57.6 makes of them.

    t5_tokenizer.py OUTPUT_DIR [DATA_DIR]

OUTPUT_DIR/KIND/              model directories: small, small_legacy (a model trained here); t5 and
                              t5_legacy (the model in DATA_DIR/tokenizers/t5), if it is there
OUTPUT_DIR/GROUP.texts        (uint32 length, bytes)* of the groups of tokenizer_parity.py
OUTPUT_DIR/GROUP.KIND         (uint32 count, uint16 ids)*, of T5Tokenizer, for each text
OUTPUT_DIR/GROUP.KIND.ranges  (uint32 count, (int32 begin, int32 end)s)*: the bytes of each token,
                              by T5TokenizerFast; count 0 where it is not asked: where it gives
                              other ids, and beyond ASCII's printable characters and white space,
                              where it counts by grapheme clusters and leaves out what is dropped
OUTPUT_DIR/decode.KIND        (uint32 count, uint16 ids)*
OUTPUT_DIR/decode.KIND.texts  (uint32 length, bytes)*: of each of them, decoded with special tokens
                              and without them
OUTPUT_DIR/cases/CASE/        directories with one thing changed, and expected.json: the ids of each
                              of CASE_TEXTS, or {"refused": why}
"""
import io
import json
import os
import pathlib
import random
import shutil
import sys

import numpy as np
import sentencepiece
from transformers import T5Tokenizer, T5TokenizerFast

from tokenizer_parity import (WORDNET, code_points, data, decode, glosses, hostile, random_texts,
                              write_records)

CASE_TEXTS = ["hello world", "hello<E>hello", "x <e> <E>  s <two> y", "<extra_id_0>. Hello",
              "a <extra_id_1>  <extra_id_2> b", " </s> a <unk> <pad>b", "\u2581a\u2581\u2581b ",
              "<extra_id_99> <extra_id_100>", "a\x1c<extra_id_0>\x1f b", "[SEP] x"]
# The kinds of large groups; the others have all.
KINDS = {"code_points": ("small", "t5"), "glosses": ("t5",), "data": ("t5", "t5_legacy")}
HOSTILE = ["<extra_id_0>", "<extra_id_0>. Hello", "Hello <extra_id_0>.", "<extra_id_0><extra_id_1>",
           "a<extra_id_0>b", " <extra_id_0> ", "  a  <extra_id_5>  <extra_id_99> b ",
           "<extra_id_100> <extra_id_1", "\x1c<extra_id_0>\x1d.", "\u200b<extra_id_0>\u200b",
           "\u3000<extra_id_3>\u00a0x", "</s>", " </s> </s>", "a</s>b <pad><unk> c",
           "\u2581", "\u2581a", "\u2581\u2581 a\u2581b\u2581", " \u2581</s>", "<unk>",
           "<unk><unk> a", "<unk", "&lt;unk>",
           "\u2581<extra_id_0>", "😀<extra_id_0>😀", "<extra_id_0>\u0301", "ﬁ ㍿ ① ﷺ x²",
           "translate English to German: That is good.", "<extra_id_7> " * 5000,
           "\u2581" * 50_000, "😀" * 5000, "😀 " * 20_000]


def train():
    """A model with T5's special ids and normaliser, of WordNet and Python's library."""
    sources = sorted(pathlib.Path(os.__file__).parent.glob("*.py"))[:60]
    texts = [line for path in sources for line in path.read_text(errors="replace").splitlines()]
    if pathlib.Path(WORDNET).is_dir():
        texts += [text.decode() for text in glosses()[::16]]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=3000, pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, normalization_rule_name="nmt_nfkc", num_threads=1,
        minloglevel=2)
    return model.getvalue()


def flags(content, **changes):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True, **changes}


def cases(pieces):
    """Directories beside spiece.model; `pieces`: how many it has."""
    sentinels = [f"<extra_id_{i}>" for i in range(100)]
    stock = {str(pieces + 99 - i): flags(token, lstrip=True, rstrip=True)
             for i, token in enumerate(sentinels)}
    named = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

    def config(**fields):
        return {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer", **fields}}
    decoder = {"0": flags("<pad>"), "1": flags("</s>"), "2": flags("<unk>"), **stock}
    return {
        "bare": {},
        "legacy": config(legacy=True),
        "no_legacy": config(legacy=False),
        "null_legacy": config(legacy=None),
        "stock": config(legacy=False, added_tokens_decoder=decoder, extra_ids=100,
                        additional_special_tokens=sentinels, **named),
        "no_prefix_space": config(legacy=False, add_prefix_space=False),
        "ten_sentinels": config(legacy=False, extra_ids=10),
        "no_sentinels": config(legacy=False, extra_ids=0),
        "listed": config(legacy=False, additional_special_tokens=sentinels),
        "listed_more": config(legacy=False, additional_special_tokens=["<E>", *sentinels]),
        "listed_others": config(legacy=False, additional_special_tokens=["<E>", "<two>"]),
        "listed_wrong": config(legacy=False, additional_special_tokens=sentinels[:5]),
        "map": {**config(legacy=False, additional_special_tokens=sentinels),
                "special_tokens_map.json": {"additional_special_tokens": sentinels + ["<E>"],
                                            "eos_token": {"content": "</s>", "lstrip": True}}},
        "map_flags": {**config(legacy=False), "special_tokens_map.json": {
            "additional_special_tokens": [flags(token, rstrip=True) for token in sentinels]}},
        "map_beside_decoder": {**config(legacy=False, added_tokens_decoder=decoder),
                               "special_tokens_map.json": {"eos_token": "hello"}},
        "added": {**config(legacy=False), "added_tokens.json": {
            "<E>": pieces + 100, "<two>": pieces + 101}},
        "added_sentinels": {**config(legacy=False), "added_tokens.json": {
            token: pieces + 99 - i for i, token in enumerate(sentinels)}},
        "added_gap": {**config(legacy=False), "added_tokens.json": {"<E>": pieces + 200}},
        "decoder_more": config(legacy=False, added_tokens_decoder={
            **decoder, str(pieces + 100): flags("<E>", lstrip=True),
            str(pieces + 101): flags("<two>", special=False, normalized=True)}),
        "decoder_of_piece": config(legacy=True, added_tokens_decoder={
            **decoder, "7": flags("<E>", rstrip=True)}),
        "json_added": {**config(legacy=False), "tokenizer.json": {
            "model": {"type": "Unigram"}, "added_tokens": [
                {"id": pieces + 99 - i, **flags(token)} for i, token in enumerate(sentinels)]}},
        "other_eos": config(legacy=False, eos_token="<E>", additional_special_tokens=[
            "<E>", *sentinels]),
        "eos_flags": config(legacy=False, eos_token={
            "__type": "AddedToken", **flags("</s>", lstrip=True, rstrip=True)}),
        "sep": config(legacy=False, sep_token="[SEP]", bos_token="<E>"),
        "fast_class": {"tokenizer_config.json": {"tokenizer_class": "T5TokenizerFast",
                                                 "legacy": False}},
    }


def write_cases(output, model):
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    for name, files in cases(pieces).items():
        directory = output / name
        directory.mkdir(parents=True)
        (directory / "spiece.model").write_bytes(model)
        (directory / "config.json").write_text('{"model_type": "t5"}')
        for file, content in files.items():
            (directory / file).write_text(json.dumps(content))
        try:
            tokenizer = T5Tokenizer.from_pretrained(directory)
            expected = {"ids": [tokenizer.encode(text, add_special_tokens=False)
                                for text in CASE_TEXTS],
                        "size": max(tokenizer.get_vocab().values()) + 1,
                        "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
        except Exception as error:  # pylint: disable=broad-except
            expected = {"refused": f"{type(error).__name__}: {error}"}
        (directory / "expected.json").write_text(json.dumps(expected))
    (output / "texts.json").write_text(json.dumps(CASE_TEXTS))


def write_directories(output, data_dir):
    models = {"small": train()}
    given = pathlib.Path(data_dir or "/nowhere") / "tokenizers/t5/spiece.model"
    if given.exists():
        models["t5"] = given.read_bytes()
    tokenizers = {}
    for name, model in models.items():
        for kind, config in ((name, '{"tokenizer_class": "T5Tokenizer", "legacy": false}'),
                             (name + "_legacy", None)):
            directory = output / kind
            directory.mkdir(parents=True)
            (directory / "spiece.model").write_bytes(model)
            (directory / "config.json").write_text('{"model_type": "t5"}')
            if config:
                (directory / "tokenizer_config.json").write_text(config)
            fast = T5TokenizerFast.from_pretrained(directory) if config else None
            tokenizers[kind] = T5Tokenizer.from_pretrained(directory), fast
    write_cases(output / "cases", models["small"])
    return tokenizers


def write_ids(file, ids, dtype="<u2"):
    array = np.array(ids, dtype=dtype)
    file.write(np.uint32(len(ids)).astype("<u4").tobytes() + array.tobytes())


def write_group(output, name, texts, tokenizers):
    write_records(output / f"{name}.texts", texts)
    for kind, (slow, fast) in tokenizers.items():
        if kind not in KINDS.get(name, tokenizers):
            continue
        with open(output / f"{name}.{kind}", "wb") as file, \
                open(output / f"{name}.{kind}.ranges", "wb") as ranges:
            for number, text in enumerate(texts):
                decoded = decode(text)[0] if text else ""
                ids = slow.encode(decoded, add_special_tokens=False)
                write_ids(file, ids)
                offsets = []
                # Every eighth text of the large groups, to save time.
                asked = len(decoded) < 10_000 and (name not in KINDS or number % 8 == 0)
                plain = all(" " <= c <= "~" or c in "\t\n" for c in decoded)
                if fast and plain and asked:
                    encoded = fast(decoded, add_special_tokens=False, return_offsets_mapping=True)
                    if encoded["input_ids"] == ids:
                        offsets = encoded["offset_mapping"]
                write_ids(ranges, offsets, "<i4")


def write_decoded(output, texts, tokenizers):
    rng = random.Random(7)
    for kind, (slow, _) in tokenizers.items():
        size = max(slow.get_vocab().values()) + 1
        lists = [[rng.choice([rng.randrange(size), rng.randrange(4), size - 1 - rng.randrange(100)])
                  for _ in range(rng.randrange(12))] for _ in range(2000)]
        lists += [slow.encode(decode(text)[0], add_special_tokens=True) for text in texts]
        with open(output / f"decode.{kind}", "wb") as file:
            for ids in lists:
                write_ids(file, ids)
        write_records(output / f"decode.{kind}.texts", [
            slow.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False).encode()
            for ids in lists for skip in (False, True)])


def main(output_dir, data_dir=None):
    output = pathlib.Path(output_dir)
    for path in output.iterdir():  # of an earlier run, perhaps with other data
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("lock", "log.txt"):
            path.unlink()
    tokenizers = write_directories(output, data_dir)
    # Longer ones of a single unknown character take the library minutes.
    short = [text for text in hostile() if len(text) <= 20_000]
    groups = {"hostile": [text.encode() for text in HOSTILE] + short, "code_points": code_points(),
              "random": random_texts(seed=12)}
    if pathlib.Path(WORDNET).is_dir():
        groups["glosses"] = glosses()
    if data_dir:
        groups["data"] = data(data_dir)
    for name, texts in groups.items():
        write_group(output, name, texts, tokenizers)
    write_decoded(output, groups["random"][:2000] + [text.encode() for text in HOSTILE[:27]],
                  tokenizers)
    # Last: with it the folder is complete.
    (output / "done").write_text(data_dir or "")


if __name__ == "__main__":
    main(*sys.argv[1:])
