"""Writes a small random model of real shape for tests: a BERT, RoBERTa or MPNet as a Hugging Face
directory.

    make_model.py DIR --type bert|roberta|mpnet [--layers 6] [--hidden 128] [--heads 4]
                  [--vocab 2000] --seed S

The vocabulary comes from WordNet's glosses: WordPiece with the special tokens where
bert-base-uncased and all-mpnet-base-v2 have them (except for fewer unused ones), or byte-level BPE
as in roberta-base. The weights have the published checkpoints' form: bare for BERT and MPNet, under
a language model's head for RoBERTa. They are larger than a fresh model's, so that a wrong mask, a
wrong position or a wrong bucket of MPNet's relative bias shows in the last states.
"""
import argparse
import collections
import json
import pathlib
import shutil

import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (BertConfig, BertModel, BertTokenizer, MPNetConfig, MPNetModel,
                          MPNetTokenizer, RobertaConfig, RobertaForMaskedLM, RobertaTokenizer)

from model_texts import glosses

UNUSED = [f"[unused{i}]" for i in range(5)]
BERT_TOKENS = ["[PAD]", *UNUSED, "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]  # and "<mask>" last
MAX_TOKENS = 512


def make_wordpiece(size, special_tokens):
    """Every character alone and inside a word, then the most frequent words and endings. (The
    library's own trainer gives another order in every run.)"""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    lines = normalizer.normalize_str("\n".join(text for _, text in glosses()))
    words = collections.Counter(word for word, _ in splitter.pre_tokenize_str(lines))
    characters = sorted(set("".join(words)))
    pieces = collections.Counter()
    for word, count in words.items():
        pieces[word] += count
        for length in range(2, min(5, len(word))):
            pieces["##" + word[-length:]] += count
    tokens = [*special_tokens, *characters, *("##" + c for c in characters)]
    common = sorted((piece for piece in pieces if len(piece) > 1),
                    key=lambda piece: (-pieces[piece], piece))
    tokens += common[:size - len(tokens)]
    return {token: i for i, token in enumerate(tokens)}


def train_bpe(size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=ROBERTA_TOKENS,
                                  show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([text for _, text in glosses()], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def in_order(vocab):
    return sorted(vocab, key=vocab.get)


def write_wordpiece(directory, tokenizer, vocab):
    tokenizer.save_pretrained(directory)
    text = "".join(token + "\n" for token in in_order(vocab))
    (directory / "vocab.txt").write_text(text, encoding="utf-8")


def write_tokenizer(model_type, directory, size):
    """Returns the number of tokens. Like published directories, the directory has the vocabulary
    beside tokenizer.json."""
    if model_type == "bert":
        vocab = make_wordpiece(size, BERT_TOKENS)
        write_wordpiece(directory, BertTokenizer(vocab, model_max_length=MAX_TOKENS), vocab)
        return len(vocab)
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    if model_type == "mpnet":
        vocab = make_wordpiece(size - 1, [*ROBERTA_TOKENS, *BERT_TOKENS])
        vocab["<mask>"] = len(vocab)
        tokenizer = MPNetTokenizer(vocab, mask_token=mask, model_max_length=MAX_TOKENS)
        # all-mpnet-base-v2's tokenizer.json has it in addition to [UNK], the unknown word's token.
        unk = AddedToken("<unk>", normalized=True, special=True)
        tokenizer.add_tokens([unk], special_tokens=True)
        write_wordpiece(directory, tokenizer, vocab)
        return len(vocab)
    vocab, merges = train_bpe(size - 1)
    vocab["<mask>"] = len(vocab)
    tokenizer = RobertaTokenizer(vocab, merges, mask_token=mask, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(directory)
    text = json.dumps({token: vocab[token] for token in in_order(vocab)}, ensure_ascii=False)
    (directory / "vocab.json").write_text(text, encoding="utf-8")
    text = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    (directory / "merges.txt").write_text(text, encoding="utf-8")
    return len(vocab)


def write_weights(arguments, directory, vocab_size):
    shared = {"vocab_size": vocab_size, "num_hidden_layers": arguments.layers,
              "hidden_size": arguments.hidden, "num_attention_heads": arguments.heads,
              "intermediate_size": 4 * arguments.hidden}
    if arguments.type == "bert":
        model = BertModel(BertConfig(**shared, max_position_embeddings=MAX_TOKENS, pad_token_id=0))
    elif arguments.type == "mpnet":
        model = MPNetModel(MPNetConfig(**shared, max_position_embeddings=MAX_TOKENS + 2,
                                       layer_norm_eps=1e-5))
    else:
        model = RobertaForMaskedLM(RobertaConfig(**shared, max_position_embeddings=MAX_TOKENS + 2,
                                                 layer_norm_eps=1e-5, type_vocab_size=1))
    generator = torch.Generator().manual_seed(arguments.seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                parameter.normal_(1, 0.1, generator=generator)
            elif name.endswith("embeddings.weight") or "relative_attention_bias" in name:
                parameter.normal_(0, 1, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1, generator=generator)
            else:
                parameter.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
    model.save_pretrained(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--type", choices=("bert", "roberta", "mpnet"), required=True)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=2000)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    shutil.rmtree(arguments.directory, ignore_errors=True)
    arguments.directory.mkdir(parents=True)
    write_weights(arguments, arguments.directory,
                  write_tokenizer(arguments.type, arguments.directory, arguments.vocab))


if __name__ == "__main__":
    main()
