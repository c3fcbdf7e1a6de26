// Loading a T5 tokenizer from a Hugging Face model directory.
//
// The result equals what transformers' slow T5Tokenizer (4.57.6) makes of the same files
// (docs/tokenizer-files.md). The pieces are spiece.model's; tokenizer.json gives only flags of
// added tokens, where tokenizer_config.json has none.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lait/base/error.h"
#include "lait/text/sentencepiece/model_file.h"
#include "lait/text/sentencepiece/sentencepiece.h"
#include "lait/text/sentencepiece/t5_tokens.h"
#include "lait/text/tokenizer_class.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/tokenizers.h"

namespace lait {
namespace {

constexpr const char* kSpieceModel = "spiece.model";

SentencePieceSpec read_spec(const std::filesystem::path& dir) {
  using Json = nlohmann::json;
  TokenizerFiles files(dir);
  SentencePieceSpec spec;
  spec.where = files.path(kSpieceModel);
  const TokenizerClass tokenizer_class = read_tokenizer_class(
      files, {{"T5Tokenizer", DescribedLayout::t5}, {"MT5Tokenizer", DescribedLayout::t5}});
  if (tokenizer_class.is_generic) {
    throw UserError(tokenizer_class.where + ": expected T5Tokenizer, got " + tokenizer_class.name +
                    "; if the ids are those of spiece.model, write T5Tokenizer there");
  }
  if (!files.has(kSpieceModel)) {
    throw UserError(spec.where +
                    ": expected SentencePiece's model beside tokenizer.json, got none; copy it "
                    "from the checkpoint that the model was made from (hf download "
                    "google-t5/t5-base spiece.model)");
  }
  spec.model = files.read(kSpieceModel);
  const std::vector<std::string> pieces = checked_pieces(spec.model, spec.where);
  if (const std::optional<JsonFile>& config = files.config()) {
    spec.legacy = config->get_bool(config->json, "legacy").value_or(true);
    spec.add_prefix_space = config->get_bool(config->json, "add_prefix_space").value_or(true);
    const Json& options = config->object(config->json, "sp_model_kwargs");
    if (!options.empty())
      config->fail("sp_model_kwargs", "none", options, "a text is split in the best way only");
  }
  T5Tokens tokens = read_t5_tokens(files, pieces);
  spec.special_tokens = tokens.names;
  spec.added_tokens = std::move(tokens.added);
  spec.additional = std::move(tokens.additional);
  spec.other_special = std::move(tokens.other_special);
  spec.names_are_added = false;
  const auto find = [&](std::string_view token) {
    const auto found = std::ranges::find(pieces, token);
    return found == pieces.end() ? kNoToken : static_cast<int32_t>(found - pieces.begin());
  };
  describe_class(tokenizer_class, find, spec);
  if (spec.layouts.empty()) {
    const int32_t sep = token_id(spec.special_tokens.sep, find, spec.added_tokens);
    spec.layouts.push_back(DescribedLayout::t5(kNoToken, sep));
    spec.layouts.back().where = spec.where;
    spec.layouts.back().way_out = "use the tokenizer files of the model";
  }
  // A saved copy says what holds here.
  if (!files.config()) {
    const Json config = {{"tokenizer_class", "T5Tokenizer"},
                         {"legacy", spec.legacy},
                         {"extra_ids", tokens.extra_ids}};
    files.contents[kTokenizerConfig] = config.dump(2) + "\n";
  }
  spec.files = std::move(files.contents);
  return spec;
}

bool reads_sentencepiece(const std::filesystem::path& model_dir) {
  return TokenizerFiles(model_dir).has(kSpieceModel) || tokenizer_json_type(model_dir) == "Unigram";
}

std::shared_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& model_dir) {
  return std::make_shared<SentencePiece>(read_spec(model_dir));
}

}  // namespace

const TokenizerKind& sentencepiece_tokenizer() {
  static constexpr TokenizerKind kKind{"SentencePiece", "spiece.model", reads_sentencepiece,
                                       load_sentencepiece};
  return kKind;
}

}  // namespace lait
