"""Writes the parity oracle of the tokenizers: texts with Hugging Face's ids and offsets for them.

    tokenizer_parity.py OUTPUT_DIR MINILM_DIR MPNET_DIR [DATA_DIR]

OUTPUT_DIR/KIND/              the tokenizers as model directories, see `write_directories`; mpnet
                              only if MPNET_DIR is there
OUTPUT_DIR/GROUP.texts        (uint32 length, bytes)* of the groups below
OUTPUT_DIR/GROUP.KIND         (uint32 count, uint16 ids)*, for each text
OUTPUT_DIR/GROUP.KIND.ranges  (uint32 count, (int32 begin, int32 end)s)*: the bytes of each token
OUTPUT_DIR/normalizer.CASE    (uint32 length, bytes)*: input and output of BertNormalizer in turn,
                              for every code point
OUTPUT_DIR/byte_level.classes (uint32 length, bytes)*: L, N, S or O for every code point, as
                              ByteLevel splits it

Groups: hostile (control characters, CJK, combining marks, final sigma, emoji, new code points, long
words, invalid UTF-8, special tokens, white space), code_points (every code point alone and inside a
word), random, glosses (WordNet), data (every field of every file below DATA_DIR). Invalid UTF-8
reaches the oracle by errors="replace".
"""
import codecs
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
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers  # noqa: E402
from tokenizers.normalizers import BertNormalizer  # noqa: E402
from transformers import BertTokenizer, MPNetTokenizer, RobertaTokenizer  # noqa: E402

WORDNET = "/usr/share/wordnet"
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
        "supercalifragilisticexpialidocious antidisestablishmentarianism",
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
        "a\u2028b\u2028\u2028c\u2029 d", " \u2028x",
        "\u1680\u2000a\u2001 \u200a\u202f\u205f\u3000b\u180ec\u200bd\ufeff", "a\0 \0b",
        "\x1c\x1d\x1e\x1f a\x85\x85b\x0b\x0c c", " \u00a0 \u00a0x", "\u3000 \u3000", " '", "' s",
        "'S'T's't", "\u2019s", "'\u017f",
        "x'll'd've're'm't's", "def f(x):\n    return  x\n\n\tpass  # end",
        "a" * 300 + " " + "b" * 5000, "\u0120 a\u0120b \u010a",
        " é 中 😀", "  é  中  😀 ", "é😀" * 1000, "a\u0301 \u0301b \u0344\u0327x", "\u0344\u0327\u0301",
        "\u302e\u0344\U0001d165\u0327a",
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
        texts.append("".join(chr(rng.choice(CODE_POINTS)) for _ in range(rng.randint(1,
                                                                                     40))).encode())
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


def decode(text):
    """The text as Python reads it, and where its characters begin and the last one ends."""
    spans = []

    def replace(error):
        spans.append((error.start, error.end))
        return "\ufffd", error.end

    codecs.register_error("note", replace)
    decoded = text.decode("utf-8", errors="note")
    array = np.frombuffer(text, dtype=np.uint8)
    begins = (array & 0xC0) != 0x80
    for begin, end in spans:
        begins[begin:end] = False
        begins[begin] = True
    begins = np.append(np.flatnonzero(begins), len(text)).astype("<i4")
    assert len(begins) == len(decoded) + 1
    return decoded, begins


def write_records(path, records):
    with open(path, "wb") as file:
        for record in records:
            file.write(struct.pack("<I", len(record)) + record)


def write_group(output, name, texts, tokenizers):
    write_records(output / f"{name}.texts", texts)
    decoded = [decode(text) for text in texts]
    for kind, tokenizer in tokenizers.items():
        path = output / f"{name}.{kind}"
        with open(path, "wb") as file, open(f"{path}.ranges", "wb") as ranges:
            for first in range(0, len(decoded), 4096):
                batch = decoded[first:first + 4096]
                encodings = tokenizer.backend_tokenizer.encode_batch([text for text, _ in batch],
                                                                     add_special_tokens=False)
                for encoding, (_, begins) in zip(encodings, batch):
                    ids = np.array(encoding.ids, dtype="<u2")
                    file.write(struct.pack("<I", len(ids)) + ids.tobytes())
                    offsets = np.array(encoding.offsets, dtype="<i4").reshape(-1)
                    ranges.write(struct.pack("<I", len(ids)) + begins[offsets].tobytes())


def write_normalizers(output):
    # A run of code points between letters: "a" is a starter, so that each is normalised on its own.
    texts = ["a".join(map(chr, CODE_POINTS[i:i + 256])) for i in range(0, len(CODE_POINTS), 256)]
    for name, options in NORMALIZERS.items():
        normalizer = BertNormalizer(*options)
        pairs = [(text, normalizer.normalize_str(text)) for text in texts]
        records = [part.encode() for pair in pairs for part in pair]
        write_records(output / f"normalizer.{name}", records)


def write_byte_level(output):
    """Where "aC1C!" is split says which class the character C is in."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    records = []
    for i in range(0, len(CODE_POINTS), 1024):
        block = CODE_POINTS[i:i + 1024]
        pieces = splitter.pre_tokenize_str("".join(f"a{chr(c)}1{chr(c)}!" for c in block))
        begins = {begin for _, (begin, _) in pieces}
        classes = bytearray()
        for at in range(0, 5 * len(block), 5):
            if at + 1 not in begins:
                classes += b"L"
            elif at + 3 not in begins:
                classes += b"N"
            else:  # a space joins what follows, "1" and "!"
                classes += b"O" if at + 2 in begins and at + 4 not in begins else b"S"
        records.append(bytes(classes))
    assert [records[0][ord(c):ord(c) + 1] for c in "a1 !"] == [b"L", b"N", b"S", b"O"]
    write_records(output / "byte_level.classes", records)


def train_byte_bpe(num_merges):
    """A vocabulary and merges from WordNet and Python's library, with RoBERTa's special tokens."""
    sources = sorted(pathlib.Path(os.__file__).parent.glob("*.py"))
    texts = [path.read_text(errors="replace") for path in sources]
    if pathlib.Path(WORDNET).is_dir():
        texts += [text.decode() for text in glosses()[::4]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special_tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=num_merges + 256 + len(special_tokens),
                                  special_tokens=special_tokens,
                                  show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    model["vocab"]["<mask>"] = len(model["vocab"])
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def write_directories(output, minilm_dir, mpnet_dir, data_dir):
    """Kinds and their tokenizers, read as transformers reads the directories."""
    classes = {"uncased": BertTokenizer, "cased": BertTokenizer, "bpe": RobertaTokenizer,
               "bpe_prefix": RobertaTokenizer}
    if mpnet_dir.is_dir():
        classes.update({"mpnet": MPNetTokenizer, "mpnet_vocab": MPNetTokenizer})
    for kind in classes:
        (output / kind).mkdir(parents=True)
    for directory, kind in ((minilm_dir, "uncased"), (mpnet_dir, "mpnet")):
        for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json"):
            if kind in classes:
                shutil.copy(directory / name, output / kind)
    # Without DATA_DIR cased is MiniLM's vocabulary, not lower-cased.
    cased_vocab = pathlib.Path(data_dir) / "tokenizers/bert-base-cased" if data_dir else minilm_dir
    shutil.copy(cased_vocab / "vocab.txt", output / "cased")
    (output / "cased" / "tokenizer_config.json").write_text('{"do_lower_case": false}\n')
    if "mpnet" in classes:
        shutil.copy(mpnet_dir / "vocab.txt", output / "mpnet_vocab")
    # tokenizer.json as transformers writes it.
    vocab, merges = train_byte_bpe(8000)
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    RobertaTokenizer(vocab, merges, mask_token=mask).save_pretrained(output / "bpe")
    # The older files.
    vocab, merges = train_byte_bpe(2000)
    (output / "bpe_prefix/vocab.json").write_text(json.dumps(vocab))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (output / "bpe_prefix/merges.txt").write_text("\n".join(lines) + "\n")
    (output / "bpe_prefix/tokenizer_config.json").write_text('{"add_prefix_space": true}\n')
    return {kind: load(classes[kind], output / kind) for kind in classes}


def load(tokenizer_class, directory):
    tokenizer = tokenizer_class.from_pretrained(directory)
    # tokenizer.json may have padding and truncation to 128.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    assert len(tokenizer) < 1 << 16, "ids are written as uint16"
    return tokenizer


def main(output_dir, minilm_dir, mpnet_dir, data_dir=None):
    output = pathlib.Path(output_dir)
    for path in output.iterdir():  # of an earlier run, perhaps with other data
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("lock", "log.txt"):
            path.unlink()
    tokenizers = write_directories(output, pathlib.Path(minilm_dir), pathlib.Path(mpnet_dir),
                                   data_dir)
    groups = {"hostile": hostile(), "code_points": code_points(), "random": random_texts(seed=12)}
    if pathlib.Path(WORDNET).is_dir():
        groups["glosses"] = glosses()
    if data_dir:
        groups["data"] = data(data_dir)
    write_normalizers(output)
    write_byte_level(output)
    for name, texts in groups.items():
        write_group(output, name, texts, tokenizers)
    # Last: with it the folder is complete.
    (output / "done").write_text("\n".join((data_dir or "",
                                            mpnet_dir if "mpnet" in tokenizers else "")))


if __name__ == "__main__":
    main(*sys.argv[1:])
