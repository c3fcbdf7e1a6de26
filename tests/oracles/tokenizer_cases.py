"""Writes small tokenizer directories and what AutoTokenizer makes of them.

    tokenizer_cases.py OUTPUT_DIR

OUTPUT_DIR/CASE/              config.json and the tokenizer's files
OUTPUT_DIR/CASE/expected.json {"ids": [[...]], "pair": [...], "types": [...]}: of each of TEXTS
                              without special tokens, and of the pair ("hello", "hello") with them
                              (types: null where it gets none); {} where transformers refuses the
                              directory
OUTPUT_DIR/texts.json         TEXTS

Each case changes one thing of a stock directory; tests/text/transformers_files_test.cpp says of
each whether LAIT honours or refuses it.
"""
import json
import pathlib
import shutil
import sys

from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer

TEXTS = ["hello Hello HELLO", "hello<E>hello", "x <e> <E>s [new] [NEW] <E>", "café 中中 CAFÉ",
         "a [MASK] b <mask> c", " hello", "[CLS] </s> <s> [SEP]", "hello<two>", "hellohello\x01"]
CASES = {}


def flags(content, token_id=None, **changes):
    token = {"content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True, **changes}
    return token if token_id is None else {"id": token_id, **token}


def template(first, second, types=(0, 1)):
    """[CLS] A [SEP], and the same with `second` behind it."""
    def pieces(words, first_type):
        kind, out = first_type, []
        for word in words.split():
            kind = types[1] if word == "B" else kind
            out.append({"Sequence": {"id": word, "type_id": kind}} if word in "AB" else
                       {"SpecialToken": {"id": word, "type_id": kind}})
        return out
    names = sorted({word for word in (first + " " + second).split() if word not in "AB"})
    return {"type": "TemplateProcessing", "single": pieces(first, types[0]),
            "pair": pieces(second, types[0]),
            "special_tokens": {name: {"id": name, "ids": [VOCAB[name]], "tokens": [name]}
                               for name in names}}


# ---- WordPiece

BERT = {"config.json": {"model_type": "bert"}}
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##s", "cafe", "café", "中",
          "Hello", "x", "a", "b", "<", ">", "e", "[", "]", "new", "##hello", "中中", "two", "</s>"]
VOCAB = {token: i for i, token in enumerate(TOKENS)}
NEXT = len(TOKENS)
TXT = {"vocab.txt": "".join(token + "\n" for token in TOKENS)}
SPECIAL = [flags(token, VOCAB[token]) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
LOWER = {"tokenizer_config.json": {"do_lower_case": True}}
STOCK = template("[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]")


def tokenizer_json(**changes):
    """tokenizer.json with values at some paths: model__unk_token="x"."""
    json_file = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": SPECIAL,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": STOCK,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": VOCAB}}
    return {"tokenizer.json": changed(json_file, changes)}


def changed(json_file, changes):
    json_file = json.loads(json.dumps(json_file))
    for path, value in changes.items():
        *parents, key = path.split("__")
        at = json_file
        for parent in parents:
            at = at[parent]
        at[key] = value
    return json_file


def config(**fields):
    return {"tokenizer_config.json": {"do_lower_case": True, **fields}}


def generic(**fields):
    """tokenizer_config.json of a tokenizer that is tokenizer.json as it stands."""
    return {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast",
                                      "cls_token": "[CLS]", "sep_token": "[SEP]",
                                      "pad_token": "[PAD]", "unk_token": "[UNK]",
                                      "mask_token": "[MASK]", "model_input_names": [
                                          "input_ids", "token_type_ids", "attention_mask"],
                                      **fields}}


def case(name, *parts):
    CASES[name] = {key: value for part in parts for key, value in part.items()}


ADDED = {"added_tokens.json": {"<E>": NEXT, "[new]": NEXT + 1}}
case("txt", BERT, TXT, LOWER)
case("txt_added", BERT, TXT, LOWER, ADDED)
case("txt_added_special", BERT, TXT, ADDED, config(additional_special_tokens=["<E>"]))
case("txt_added_extra", BERT, TXT, ADDED, config(extra_special_tokens=["<E>", "<two>"]))
case("txt_added_map", BERT, TXT, LOWER, ADDED,
     {"special_tokens_map.json": {"additional_special_tokens": ["<E>"]}})
case("txt_added_map_extra", BERT, TXT, LOWER, ADDED,
     {"special_tokens_map.json": {"extra_special_tokens": ["<E>"]}})
case("txt_added_named", BERT, TXT, ADDED, config(bos_token="<E>"))
case("txt_added_gap", BERT, TXT, LOWER, {"added_tokens.json": {"<E>": NEXT + 3}})
case("txt_added_of_vocabulary", BERT, TXT, LOWER, {"added_tokens.json": {"x": VOCAB["x"]}})
case("txt_added_wrong_id", BERT, TXT, LOWER, {"added_tokens.json": {"x": VOCAB["a"]}})
case("txt_extra_without_id", BERT, TXT, config(additional_special_tokens=["<E>", "<two>"]))
case("txt_model_token", BERT, TXT, config(entity_token="<E>"))
case("txt_extra_named", BERT, TXT, config(extra_special_tokens={"entity_token": "<E>"}))
case("txt_decoder", BERT, TXT, config(added_tokens_decoder={
    str(NEXT): flags("<E>", lstrip=True, rstrip=True, single_word=True),
    str(NEXT + 1): flags("[new]", normalized=True, special=False)}))
case("txt_decoder_and_added", BERT, TXT, {"added_tokens.json": {"[new]": NEXT}},
     config(added_tokens_decoder={str(NEXT): flags("<E>")}))
case("txt_decoder_and_map", BERT, TXT, {"special_tokens_map.json": {"mask_token": flags(
    "[MASK]", lstrip=True), "sep_token": "</s>"}}, config(added_tokens_decoder={
        str(VOCAB["[MASK]"]): flags("[MASK]")}))
case("txt_decoder_gap", BERT, TXT, config(added_tokens_decoder={str(NEXT + 1): flags("<E>")}))
case("txt_map_over_config", BERT, TXT, config(sep_token="[SEP]", mask_token="[MASK]"),
     {"special_tokens_map.json": {"sep_token": "</s>", "mask_token": {
         "content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False,
         "normalized": False}}})
case("txt_no_mask", BERT, TXT, config(mask_token=None))
case("txt_cased", BERT, TXT, config(do_lower_case=False))
case("txt_strip_accents", BERT, TXT, config(strip_accents=False))
case("txt_chinese", BERT, TXT, config(tokenize_chinese_chars=False))
case("txt_never_split", BERT, TXT, config(never_split=["Hello"]))
case("txt_no_basic", BERT, TXT, config(do_basic_tokenize=False))
case("txt_split_special", BERT, TXT, config(split_special_tokens=True))
case("txt_left", BERT, TXT, config(truncation_side="left"))
case("txt_right", BERT, TXT, config(truncation_side="right", padding_side="left",
                                    model_max_length=2, clean_up_tokenization_spaces=True,
                                    use_fast=False, errors="strict", never_split=None,
                                    do_basic_tokenize=True, model_input_names=[
                                        "input_ids", "token_type_ids", "attention_mask"]))
case("txt_add_bos", BERT, TXT, config(add_bos_token=True, bos_token="[CLS]"))
case("txt_add_bos_false", BERT, TXT, config(add_bos_token=False, add_eos_token=False))
case("txt_no_types", BERT, TXT, config(model_input_names=["input_ids", "attention_mask"]))
case("txt_fast_class", BERT, TXT, config(tokenizer_class="BertTokenizerFast"))
case("txt_electra_class", BERT, TXT, config(tokenizer_class="ElectraTokenizer"))
case("txt_distilbert_class", BERT, TXT, config(tokenizer_class="DistilBertTokenizer"))
case("txt_distilbert_types", BERT, TXT, config(
    tokenizer_class="DistilBertTokenizer",
    model_input_names=["input_ids", "token_type_ids", "attention_mask"]))
case("txt_electra_no_types", BERT, TXT, config(
    tokenizer_class="ElectraTokenizer", model_input_names=["input_ids"]))
case("txt_japanese_class", BERT, TXT, config(tokenizer_class="BertJapaneseTokenizer"))
case("txt_class_of_config", TXT, LOWER, {"config.json": {
    "model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer"}})
case("txt_mpnet_class", BERT, TXT, config(tokenizer_class="MPNetTokenizer", cls_token="[CLS]",
                                          sep_token="[SEP]", pad_token="[PAD]",
                                          bos_token="[CLS]", eos_token="[SEP]",
                                          mask_token="[MASK]"))
case("txt_auto_map", BERT, TXT, config(auto_map={"AutoTokenizer": ["a.B", None]}))
case("txt_init_inputs", BERT, TXT, config(init_inputs=["x"]))

case("json", BERT, tokenizer_json(), LOWER)
case("json_and_txt", BERT, tokenizer_json(), LOWER, TXT)
case("json_other_txt", BERT, tokenizer_json(), LOWER,
     {"vocab.txt": TXT["vocab.txt"].replace("\nx\n", "\ny\n")})
case("json_longer_txt", BERT, tokenizer_json(), LOWER,
     {"vocab.txt": TXT["vocab.txt"] + "more\n"})
case("json_longer_txt_added", BERT, tokenizer_json(added_tokens=SPECIAL + [flags("<E>", NEXT)]),
     LOWER, {"vocab.txt": TXT["vocab.txt"] + "<E>\n"})
case("json_cased_config", BERT, tokenizer_json(), config(
    do_lower_case=False, strip_accents=False, tokenize_chinese_chars=False))
case("json_cased", BERT, tokenizer_json(normalizer__lowercase=False))
case("json_generic", BERT, tokenizer_json(normalizer__lowercase=False), generic())
case("json_generic_no_types", BERT, tokenizer_json(), generic(model_input_names=None))
case("json_generic_lower", BERT, tokenizer_json(normalizer__lowercase=False),
     generic(do_lower_case=True))
case("json_clean_text", BERT, tokenizer_json(normalizer__clean_text=False), LOWER)
case("json_generic_clean_text", BERT, tokenizer_json(normalizer__clean_text=False), generic())
case("json_prefix", BERT, tokenizer_json(model__continuing_subword_prefix="%"), LOWER)
case("json_generic_prefix", BERT, tokenizer_json(model__continuing_subword_prefix=""), generic())
case("json_max_chars", BERT, tokenizer_json(model__max_input_chars_per_word=4), LOWER)
case("json_generic_max_chars", BERT, tokenizer_json(model__max_input_chars_per_word=4), generic())
case("json_unk", BERT, tokenizer_json(model__unk_token="x"), LOWER)
case("json_unk_of_both", BERT, tokenizer_json(model__unk_token="x"), generic())
case("json_no_normalizer", BERT, tokenizer_json(normalizer=None), generic())
case("json_no_pre_tokenizer", BERT, tokenizer_json(pre_tokenizer=None), generic())
case("json_normalizer", BERT, tokenizer_json(normalizer={"type": "Lowercase"}), LOWER)
case("json_truncation_left", BERT, tokenizer_json(truncation={
    "direction": "Left", "max_length": 512, "strategy": "LongestFirst", "stride": 0}), LOWER)
case("json_truncation_right", BERT, tokenizer_json(truncation={
    "direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0},
    padding={"strategy": {"Fixed": 64}, "direction": "Left", "pad_to_multiple_of": None,
             "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}), LOWER)
case("json_bert_processing", BERT, tokenizer_json(post_processor={
    "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}), generic())
case("json_sequence", BERT, tokenizer_json(post_processor={
    "type": "Sequence", "processors": [STOCK]}), generic())
case("json_no_post_processor", BERT, tokenizer_json(post_processor=None), LOWER)
case("json_generic_no_post_processor", BERT, tokenizer_json(post_processor=None), generic())
case("json_post_processor_of_roberta", BERT, tokenizer_json(post_processor={
    "type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True,
    "add_prefix_space": False}), generic())
case("json_template_without_sep", BERT, tokenizer_json(post_processor=template(
    "[CLS] A", "[CLS] A [SEP] B")), generic())
case("json_template_types", BERT, tokenizer_json(post_processor=template(
    "[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]", types=(0, 0))), generic())
case("json_template_ignored", BERT, tokenizer_json(post_processor=template(
    "[CLS] A", "[CLS] A [SEP] B")), LOWER)
ENTITY = [flags("<E>", NEXT, rstrip=True), flags("[new]", NEXT + 1, normalized=True, special=False)]
case("json_added", BERT, tokenizer_json(added_tokens=SPECIAL + ENTITY), LOWER)
case("json_generic_added", BERT, tokenizer_json(added_tokens=SPECIAL + ENTITY), generic())
case("json_added_and_file", BERT, tokenizer_json(added_tokens=SPECIAL + ENTITY), LOWER,
     {"added_tokens.json": {"<E>": NEXT, "[new]": NEXT + 1, "<two>": NEXT + 2}})
case("json_added_gap", BERT, tokenizer_json(added_tokens=SPECIAL + [flags("<E>", NEXT + 1)]),
     generic())
case("json_added_other_id", BERT, tokenizer_json(added_tokens=SPECIAL + [flags("x", 5)]), generic())
DECODER = {str(token["id"]): {key: value for key, value in token.items() if key != "id"}
           for token in SPECIAL + ENTITY}
case("json_decoder", BERT, tokenizer_json(added_tokens=SPECIAL + ENTITY),
     config(added_tokens_decoder=DECODER))
case("json_decoder_more", BERT, tokenizer_json(), config(added_tokens_decoder=DECODER))
case("json_decoder_less", BERT, tokenizer_json(added_tokens=SPECIAL + ENTITY),
     config(added_tokens_decoder={}))
case("json_decoder_flags", BERT, tokenizer_json(added_tokens=SPECIAL + [
    flags("<E>", NEXT), ENTITY[1]]), config(added_tokens_decoder=DECODER))

# ---- byte-level BPE: the bytes, then the special tokens and the merged tokens

ROBERTA = {"config.json": {"model_type": "roberta"}}
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("\u0120", "hello")]
BYTES = {token: i for i, token in enumerate([
    *sorted(ByteLevel.alphabet()), "<s>", "<pad>", "</s>", "<unk>", "<mask>",
    *(left + right for left, right in MERGES), "[CLS]", "[SEP]"])}
FILES = {"vocab.json": BYTES, "merges.txt": "#version: 0.2\n" + "".join(
    f"{left} {right}\n" for left, right in MERGES)}
END = len(BYTES)
BPE_SPECIAL = [flags(token, BYTES[token]) for token in ("<s>", "<pad>", "</s>", "<unk>")] + [
    flags("<mask>", BYTES["<mask>"], lstrip=True)]
ROBERTA_PROCESSING = {"type": "RobertaProcessing", "sep": ["</s>", BYTES["</s>"]],
                      "cls": ["<s>", BYTES["<s>"]], "trim_offsets": True,
                      "add_prefix_space": False}


def bpe_json(**changes):
    return {"tokenizer.json": changed({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": BPE_SPECIAL,
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                          "use_regex": True},
        "post_processor": ROBERTA_PROCESSING,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": BYTES,
                  "merges": MERGES}}, changes)}


def bpe_config(**fields):
    return {"tokenizer_config.json": fields}


def bpe_generic(**fields):
    return bpe_config(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>",
                      eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>",
                      unk_token="<unk>", mask_token="<mask>", **fields)


case("bpe", ROBERTA, FILES)
case("bpe_added", ROBERTA, FILES, {"added_tokens.json": {"<E>": END, "[new]": END + 1}})
case("bpe_added_gap", ROBERTA, FILES, {"added_tokens.json": {"<E>": END + 1}})
case("bpe_prefix_space", ROBERTA, FILES, bpe_config(add_prefix_space=True, trim_offsets=False))
case("bpe_mask_map", ROBERTA, FILES, {"special_tokens_map.json": {"mask_token": {
    "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False,
    "normalized": False}}})
case("bpe_left", ROBERTA, FILES, bpe_config(truncation_side="left"))
case("bpe_add_bos", ROBERTA, FILES, bpe_config(add_bos_token=True))
case("bpe_gpt2_class", ROBERTA, FILES, bpe_config(tokenizer_class="GPT2Tokenizer"))
case("bpe_bart_class", ROBERTA, FILES, bpe_config(tokenizer_class="BartTokenizer"))
case("bpe_longformer_class", ROBERTA, FILES, bpe_config(tokenizer_class="LongformerTokenizerFast"))
case("bpe_bertweet_class", ROBERTA, FILES, bpe_config(tokenizer_class="BertweetTokenizer"))
case("bpe_json", ROBERTA, bpe_json(), FILES)
case("bpe_json_other_files", ROBERTA, bpe_json(), {
    "vocab.json": BYTES, "merges.txt": "#version: 0.2\nh e\n"})
case("bpe_json_other_vocab", ROBERTA, bpe_json(), FILES, {
    "vocab.json": {**BYTES, "!": BYTES["#"], "#": BYTES["!"]}})
case("bpe_json_more_vocab", ROBERTA, bpe_json(), FILES, {
    "vocab.json": {**BYTES, "more": END}})
case("bpe_json_add_bos", ROBERTA, bpe_json(), bpe_config(add_bos_token=True))
case("bpe_json_prefix_space", ROBERTA, bpe_json(), bpe_config(add_prefix_space=True))
case("bpe_json_own_prefix_space", ROBERTA, bpe_json(pre_tokenizer__add_prefix_space=True))
case("bpe_generic", ROBERTA, bpe_json(pre_tokenizer__add_prefix_space=True), bpe_generic())
case("bpe_generic_prefix_space", ROBERTA, bpe_json(pre_tokenizer__add_prefix_space=True),
     bpe_generic(add_prefix_space=False))
case("bpe_ignore_merges", ROBERTA, bpe_json(model__ignore_merges=True, model__merges=MERGES[:2]))
case("bpe_generic_ignore_merges", ROBERTA, bpe_json(
    model__ignore_merges=True, model__merges=MERGES[:2]), bpe_generic())
case("bpe_dropout", ROBERTA, bpe_json(model__dropout=0.1), bpe_generic())
case("bpe_irrelevant", ROBERTA, bpe_json(model__unk_token="<unk>", model__fuse_unk=True,
                                         model__byte_fallback=True), bpe_generic())
case("bpe_normalizer", ROBERTA, bpe_json(normalizer={"type": "Lowercase"}), bpe_generic())
case("bpe_byte_level_processor", ROBERTA, bpe_json(post_processor={
    "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}))
case("bpe_generic_byte_level_processor", ROBERTA, bpe_json(post_processor={
    "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}),
    bpe_generic())
case("bpe_processor_of_bert", ROBERTA, bpe_json(post_processor={
    "type": "BertProcessing", "sep": ["</s>", BYTES["</s>"]], "cls": ["<s>", BYTES["<s>"]]}),
    bpe_generic())


def write(directory, files):
    directory.mkdir(parents=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (directory / name).write_text(text)


def expected(directory):
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
        pair = tokenizer("hello", "hello")
        return {"ids": ids, "pair": pair["input_ids"], "types": pair.get("token_type_ids")}
    except Exception as error:  # pylint: disable=broad-except
        return {"refused": f"{type(error).__name__}: {error}"}


def main(output_dir):
    output = pathlib.Path(output_dir)
    shutil.rmtree(output / "cases", ignore_errors=True)
    for name, files in CASES.items():
        write(output / "cases" / name, files)
        (output / "cases" / name / "expected.json").write_text(
            json.dumps(expected(output / "cases" / name)))
    # Last: with it the folder is complete.
    (output / "texts.json").write_text(json.dumps(TEXTS))


if __name__ == "__main__":
    main(sys.argv[1])
