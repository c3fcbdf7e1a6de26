// The kinds of tokenizers, one a line; tokenizer.cpp lists them, lait/text/*/load.cpp defines them.
#pragma once
#include "lait/text/tokenizer.h"

namespace lait {

const TokenizerKind& wordpiece_tokenizer();
const TokenizerKind& byte_bpe_tokenizer();
const TokenizerKind& sentencepiece_tokenizer();

}  // namespace lait
