// Which special tokens a tokenizer's files put around texts: tokenizer.json's post_processor, or
// the class of transformers that they name. The model's family decides on the layout
// (segment_layout.h); files that describe another one are refused.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lait/text/offsets.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

struct DescribedLayout {
  struct Piece {
    // A special token, or one of the two texts.
    int32_t id = 0;
    int32_t type = 0;
    bool operator==(const Piece&) const = default;
  };
  static constexpr int32_t kFirstText = -1, kSecondText = -2;

  // What an error begins with: "PATH: post_processor", and how it ends: the way out.
  std::string where = {}, way_out = {};
  std::vector<Piece> single = {};
  // nullopt: the model decides.
  std::optional<std::vector<Piece>> pair = std::nullopt;

  // "[CLS] A [SEP]", as BertTokenizer and RobertaTokenizer dress texts.
  static DescribedLayout bert(int32_t cls, int32_t sep);
  static DescribedLayout roberta(int32_t cls, int32_t sep);
  // "A </s>". T5 reads two texts as one, so T5Tokenizer's "A </s> B </s>" is not used.
  static DescribedLayout t5(int32_t cls, int32_t sep);

  // Throws UserError where it is another layout than the model's. `name` gives the name of a
  // special token. Types count where the model gives the second text another one.
  void check(const SegmentLayout& layout, const std::function<std::string(int32_t)>& name) const;
};

// What tokenizer.json's "post_processor" says.
struct PostProcessor {
  TrimOffsets trim_offsets;
  // nullopt where it adds no special tokens.
  std::optional<DescribedLayout> layout;
};
// Throws UserError for types of post-processors that are not known.
PostProcessor read_post_processor(const JsonFile& tokenizer_json);

}  // namespace lait
