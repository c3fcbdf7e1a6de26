// The list of tokenizers, and the choice among them.
#include "lait/text/tokenizer.h"

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/tokenizers.h"

namespace lait {

const std::vector<const TokenizerKind*>& all_tokenizers() {
  static const std::vector<const TokenizerKind*> list = {
      &wordpiece_tokenizer(),
      &byte_bpe_tokenizer(),
      &sentencepiece_tokenizer(),
  };
  return list;
}

void Tokenizer::save(const std::filesystem::path& dir) const {
  for (const auto& [name, content] : files()) write_file(dir / name, content);
}

std::string Tokenizer::decode(const std::vector<int32_t>&, bool) const {
  throw UserError(
      "tokenizer: expected one that turns ids into text (SentencePiece, T5's), got another kind; "
      "use a model of such a family");
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model_dir) {
  if (!std::filesystem::is_directory(model_dir))
    throw UserError(model_dir.string() + ": expected a model directory");
  for (const TokenizerKind* kind : all_tokenizers()) {
    if (kind->reads(model_dir)) return kind->load(model_dir);
  }
  const std::string type = tokenizer_json_type(model_dir);
  std::string message = model_dir.string() + ": expected a tokenizer, found ";
  message += type.empty() ? "none of its files" : "tokenizer.json of type " + plain(type);
  for (const TokenizerKind* kind : all_tokenizers()) {
    message += kind == all_tokenizers().front() ? "; supported: " : "; ";
    message.append(kind->name).append(" (").append(kind->files).append(")");
  }
  throw UserError(message + "; copy the tokenizer files of the model into it");
}

}  // namespace lait
