"""Writes the parity oracle of the tokenizer: texts and the ids that Hugging Face gives them.

    tokenizer_parity.py MODEL_DIR OUTPUT_DIR [DATA_DIR]

OUTPUT_DIR/uncased/, cased/   of a BERT or an MPNet, two tokenizers as model directories: the
                              model's own, and one with its vocabulary that does not lowercase (of
                              a BERT, with DATA_DIR: DATA_DIR's bert-base-cased)
OUTPUT_DIR/bpe/               of a RoBERTa, its one tokenizer
OUTPUT_DIR/GROUP.texts        (uint32 length, bytes)* of the groups below
OUTPUT_DIR/GROUP.KIND         (uint32 count, uint16 ids)*, one for each text; KIND is uncased, cased
                              or bpe
OUTPUT_DIR/normalizer.CASE    (uint32 length, bytes)*: input and output of BertNormalizer in turn,
                              for every code point (not of a RoBERTa)

Groups: hostile (control characters, CJK, combining marks, final sigma, emoji, new code points, long
words, invalid UTF-8, special tokens), code_points (every code point alone and inside a word),
random, glosses (WordNet), data (every field of every file below DATA_DIR). The oracle decodes
invalid UTF-8 with errors="replace".
"""
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np  # noqa: E402
from tokenizers.normalizers import BertNormalizer  # noqa: E402
from transformers import AutoConfig, BertTokenizer, MPNetTokenizer, RobertaTokenizer  # noqa: E402

from tokenizer_files import copy_tokenizer  # noqa: E402

WORDNET = "/usr/share/wordnet"
TOKENIZERS = {"bert": BertTokenizer, "mpnet": MPNetTokenizer, "roberta": RobertaTokenizer}
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
NORMALIZERS = {  # clean_text, handle_chinese_chars, strip_accents, lowercase
    "uncased": (True, True, True, True), "cased": (True, True, False, False),
    "strip": (False, False, True, False), "lower": (False, False, False, True)}


def hostile():
    marks = "".join(map(chr, range(0x300, 0x370)))
    texts = [
        "", " ", "\t\n\r \x0b\x0c\x85\u2028\u2029", "\0", "a\0b", "a\ufffdb", "a\u200bb",
        "a\u200db",
        "a\xadb", "\ufeffa", "a\x7fb",
        "".join(map(chr, range(0x20))), "".join(map(chr, range(0x21, 0x100))), "\ue000a\uf8ff",
        "\U000f0000\U0010fffd",
        "中文字符", "abc中def文ghi", "日本語テキスト、ひらがな。", "한국어 텍스트 각각",
        "\u3400\u4dbf\U00020000\U0002a6df\U0002b81f\U0002b820\U0002ceaf\U0002ceb0\U00030000",
        "豈更車 \uf900\ufaff\U0002f800", "㍿ ㋿ ﷺ ﬁﬂ ﬃ", "ΟΔΥΣΣΕΥΣ ΟΔΟΣ. ΣΑΣ σς Σ",
        "İstanbul Iğdır ISPARTA ıi İ",
        "STRASSE straße ẞ", "ǅ Ǆ ǆ ǈ ﬀ",
        "café cafe\u0301 CAFÉ CAFE\u0301", "a\u0301\u0327\u0316b", "a\u0327\u0301 a\u0301\u0327",
        "e" + marks + "f", marks, "\u0301", "\u0301a", "a \u0301b",
        "\u1e69 s\u0323\u0307 s\u0307\u0323 \u1e9b\u0323", "\u0344\u0340\u0341\u0343",
        "क्षत्रिय हिन्दी",
        "ภาษาไทย สระ", "עִבְרִית", "العَرَبِيَّة", "Việt Nam Tiếng Việt",
        "\u302a\u302e\u302f가\u302e", "\U0001d15e\U0001d165\U0001d16d\U0001d157\U0001d165",
        "a\u09fe\u0301\u0316", "\U00011938\U00011935\U00011930", "a\u08d4\u0316\u1df6\u0301",
        "😀", "a😀b", "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 ☺️ ☺︎", "🥰🫠🫨🪿",
        "\ua7cb \ua7cc \ua7dc \U00010d50 \U00016ea0 \u1c89 \u2c2f \u1e9e",
        "\u2e52\u2e5d 𞤀𞤢 \U0001fbf9 \u20c0",
        "\u166d\U000111c9\u1734\u1715", "$+<=>^`|~ a+b=c <x|y> ~z^2 `q`", "≠ ≮ ≯ ; ` \u1fef \u2260",
        "–—‘’“”…‹›«»¿¡§¶·†‡•", "€£¥₿¢¤", "H₂O x² ½ ⅷ №", "１２３ＡＢＣ！", "don't can't o'clock ''' ``",
        "[SEP]", "a [SEP] b", "[CLS]a[SEP]b[MASK]c[PAD]d[UNK]e",
        "[cls] [Sep] [ MASK ] [[SEP]] [SEP",
        "SEP] [[[CLS]]] [CLS][CLS]", "[unused1] [unused99]", "##ing ##s # ## ###",
        "[\u200bSEP] [S\u0301EP]",
        "\u0301[SEP]\u0301", "中[SEP]文",
        "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 100, "😀" * 100, "😀" * 101,
        "a" * 100_000, "ab" * 100_000 + " c", "é" * 100_000, "中" * 100_000,
        "a\u0301" * 50_000, "\u0301" * 100_000, "a" + "\u0301\u0316\u302e" * 30_000, "!" * 100_000,
        " " * 100_000, "[SEP]" * 20_000, "[" * 100_000, "\0" * 100_000,
        "x" * 100 + "!" + "y" * 101 + "-z",
        
        "supercalifragilisticexpialidocious antidisestablishmentarianism "
        "Donaudampfschifffahrtsgesellschaft",
        "the quick brown fox", "UPPER lower MiXeD", "http://example.com/a?b=c&d=%20#e",
        "3.14159 1,000,000 -5e-10",
        "<s>", "a </s> b", "<s>a</s></s>b<pad>c<unk>d<mask>e", "<S> <Mask> <UNK> <Pad>",
        "< mask > <<s>> <mask",
        "mask> <mask><mask>", "a  <mask>  b", "\t<mask>\n", "\u3000<mask>\u2003x", " <pad> ",
        "\u0301<mask>\u0301",
        "<m\u0301ask> </\u200bs>", "<s>" * 20_000, "<" * 100_000, " <mask>" * 10_000,
        "it's IT'S they'll THEY'LL I'd we've I'm you're can't 'tis 's 'S ''s 're've x'd'm",
        "it’s they’ll",
        "a  b", "a   b", " a", "  a", "a ", "a  ", "a \n b", "a\n\nb", "\n a", "a\t\tb", "a \t b",
        "\u00a0a\u00a0 b",
        "a\u2009\u2009b", "x\r\ny", "one 1 1a a1 1,2 ½² Ⅷ ٣٤ 1st", "a_b a__b _a", "!?! ?a a? a?! b",
        "$5 -5 +5 5%",
        "a1b2c3!@#d4", "ab " * 30_000, " " * 9 + "a" + " " * 9, "12" * 50_000, "'s" * 30_000]
    raw = [
        b"\xff", b"a\xffb", b"\xc3", b"a\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82a", b"\xe2(\xa1",
        b"\xf0\x9f\x98",
        b"\xf0\x9f\x98 \xf0\x9f", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80", b"\x80\x80", b"abc\xe9 caf\xe9 na\xefve", b"\xe4[SEP]\xb8",
        b"a\xcc\xffb\xcc\x81",
        bytes(range(256)), b"\xfe\xff\0a\0b", b"\xff" * 100_000]
    return [text.encode() for text in texts] + raw


def code_points():
    """Texts of 128 code points, each alone and in a word: NUL to U+10FFFF."""
    blocks = [CODE_POINTS[i:i + 128] for i in range(0, len(CODE_POINTS), 128)]
    return [" ".join(f"{chr(c)} a{chr(c)}b" for c in block).encode() for block in blocks]


def random_texts(seed):
    """Strings of characters from one or several pools, and strings of random bytes."""
    rng = random.Random(seed)
    pools = [range(0x20, 0x7F), range(0, 0x80), range(0x80, 0x250), range(0x300, 0x370),
             range(0x370, 0x530),
             range(0x590, 0x900), range(0x900, 0xE00), range(0x1AB0, 0x2100), range(0x2000, 0x2070),
             range(0x3000, 0x3100), range(0x4E00, 0x4F00), range(0xA640, 0xAC00),
             range(0xFE00, 0xFFFE),
             range(0x1D100, 0x1D200), range(0x11000, 0x12000), range(0x1E000, 0x1F000),
             range(0x1F300, 0x1FB00),
             [ord(c) for c in "aeinorst E\u0301\u0308.,[]"]]
    texts = []
    for _ in range(12_000):
        chosen = rng.sample(pools, rng.randint(1, 4))
        characters = [chr(rng.choice(rng.choice(chosen))) for _ in range(rng.randint(1, 60))]
        if rng.random() < 0.2:
            characters.insert(rng.randrange(len(characters)), rng.choice(
                ["[SEP]", "[MASK]", "[CLS]", "[", "##", "<mask>", "</s>", "<pad>", "<unk>", "'s",
                 "  "]))
        texts.append("".join(characters).encode())
    for _ in range(2_000):
        characters = [chr(rng.choice(CODE_POINTS)) for _ in range(rng.randint(1, 40))]
        texts.append("".join(characters).encode())
    for _ in range(4_000):
        cut_short = "é中\u0301".encode()[:rng.randint(0, 7)]
        fragments = [rng.randbytes(rng.randint(1, 6)), cut_short, b"word", b" ", b"\xcc\x81",
                     b"[SEP]", b"<mask>"]
        texts.append(b"".join(rng.choice(fragments) for _ in range(rng.randint(1, 12))))
    return texts


def glosses():
    found = {}
    for part in ("adj", "adv", "noun", "verb"):
        for line in open(f"{WORDNET}/data.{part}", "rb"):
            if not line.startswith(b"  "):  # the licence at the head
                found[line.split(b" | ", 1)[1].strip()] = None
    return list(found)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def data(directory):
    """Each distinct field: string values of JSON lines, tab-separated columns of the rest."""
    found = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        if not path.is_file() or path.suffix == ".model":
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in content.split(b"\n"):
            fields = None
            if line.lstrip().startswith(b"{"):
                try:
                    fields = [text.encode() for text in strings(json.loads(line))]
                except json.JSONDecodeError:
                    pass
            found.update(dict.fromkeys(line.split(b"\t") if fields is None else fields))
    return list(found)


def write_records(path, records):
    with open(path, "wb") as file:
        for record in records:
            file.write(struct.pack("<I", len(record)) + record)


def write_group(output, name, texts, tokenizers):
    write_records(output / f"{name}.texts", texts)
    decoded = [text.decode("utf-8", errors="replace") for text in texts]
    for kind, tokenizer in tokenizers.items():
        with open(output / f"{name}.{kind}", "wb") as file:
            for begin in range(0, len(decoded), 4096):
                batch = decoded[begin:begin + 4096]
                encodings = tokenizer.backend_tokenizer.encode_batch_fast(
                    batch, add_special_tokens=False)
                for encoding in encodings:
                    ids = np.array(encoding.ids, dtype="<u2")
                    file.write(struct.pack("<I", len(ids)) + ids.tobytes())


def write_normalizers(output):
    # Runs of code points between letters: "a" is a starter, so each is normalised separately.
    texts = ["a".join(map(chr, CODE_POINTS[i:i + 256])) for i in range(0, len(CODE_POINTS), 256)]
    for name, options in NORMALIZERS.items():
        normalizer = BertNormalizer(*options)
        records = [part.encode() for text in texts
                   for part in (text, normalizer.normalize_str(text))]
        write_records(output / f"normalizer.{name}", records)


def load(directory, model_type):
    tokenizer = TOKENIZERS[model_type].from_pretrained(directory)
    # tokenizer.json may ask for padding, and for truncation to 128.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    assert len(tokenizer) < 1 << 16, "ids are written as uint16"
    return tokenizer


def write_directories(output, model_dir, model_type, data_dir):
    """The model directories by kind."""
    kinds = ("bpe",) if model_type == "roberta" else ("uncased", "cased")
    for kind in kinds:
        shutil.rmtree(output / kind, ignore_errors=True)
        (output / kind).mkdir(parents=True)
        if model_type != "bert":
            shutil.copy(model_dir / "config.json", output / kind)
    copy_tokenizer(model_dir, output / kinds[0])
    if "cased" in kinds:
        from_data = data_dir and model_type == "bert"
        cased_vocab = model_dir
        if from_data:
            cased_vocab = pathlib.Path(data_dir) / "tokenizers/bert-base-cased"
        shutil.copy(cased_vocab / "vocab.txt", output / "cased")
        (output / "cased" / "tokenizer_config.json").write_text('{"do_lower_case": false}\n')
    return {kind: output / kind for kind in kinds}


def main(model_dir, output_dir, data_dir=None):
    model_dir, output = pathlib.Path(model_dir), pathlib.Path(output_dir)
    output.mkdir(parents=True, exist_ok=True)
    model_type = AutoConfig.from_pretrained(model_dir).model_type
    # The output of an earlier run, perhaps with other data.
    for pattern in ("*.texts", "*.uncased", "*.cased", "*.bpe"):
        for path in output.glob(pattern):
            path.unlink()
    directories = write_directories(output, model_dir, model_type, data_dir)
    tokenizers = {kind: load(directory, model_type) for kind, directory in directories.items()}

    groups = {"hostile": hostile(), "code_points": code_points(), "random": random_texts(seed=12)}
    if pathlib.Path(WORDNET).is_dir():
        groups["glosses"] = glosses()
    if data_dir:
        groups["data"] = data(data_dir)
    if model_type != "roberta":
        write_normalizers(output)
    for name, texts in groups.items():
        write_group(output, name, texts, tokenizers)
    # Written last: if it is there, the folder is complete.
    (output / "done").write_text(data_dir or "")


if __name__ == "__main__":
    main(*sys.argv[1:])
