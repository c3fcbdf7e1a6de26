#include "lait/text/tokenizer_class.h"

#include <algorithm>

#include "lait/base/error.h"

namespace lait {
namespace {

using Json = JsonFile::Json;

constexpr const char* kModelConfig = "config.json";

// Fields of tokenizer_config.json with which transformers would give other ids, or which older
// releases of it heeded.
void refuse_unsupported(const JsonFile& config) {
  const auto refuse = [&](const char* key, const std::string& expected, const char* way_out) {
    config.fail(key, expected, config.json[key], way_out);
  };
  if (config.get_bool(config.json, "split_special_tokens").value_or(false))
    refuse("split_special_tokens", "false", "special tokens inside a text are always found");
  if (!config.get_bool(config.json, "do_basic_tokenize").value_or(true))
    refuse("do_basic_tokenize", "true", "text is always split into words");
  for (const char* key : {"never_split", "init_inputs"}) {
    if (!config.list(config.json, key).empty())
      refuse(key, "an empty list", "add such words as tokens (added_tokens_decoder)");
  }
  for (const Json& name : config.list(config.json, "fast_tokenizer_files")) {
    if (name != kTokenizerJson)
      refuse("fast_tokenizer_files", "tokenizer.json alone", "only that file is read");
  }
  const auto auto_map = config.json.find("auto_map");
  if (auto_map != config.json.end() && !auto_map->is_null() && !auto_map->empty())
    refuse("auto_map", "none", "LAIT runs no tokenizer code; remove the key if it is not needed");
}

// Texts are cut at their end.
void refuse_left_truncation(const std::optional<JsonFile>& config,
                            const std::optional<JsonFile>& tokenizer) {
  constexpr const char* kWayOut =
      "LAIT cuts too long texts at their end; write right if that is meant";
  if (config) {
    const auto side = config->get<std::string>(config->json, "truncation_side", "a string");
    if (side && *side != "right") config->fail("truncation_side", "\"right\"", *side, kWayOut);
    if (side) return;
  }
  if (!tokenizer) return;
  const Json& truncation = tokenizer->object(tokenizer->json, "truncation");
  const auto side = tokenizer->get<std::string>(truncation, "direction", "a string");
  if (side && *side != "Right")
    tokenizer->fail("truncation.direction", "\"Right\"", *side, kWayOut);
}

}  // namespace

TokenizerClass read_tokenizer_class(TokenizerFiles& files, const std::vector<KnownClass>& known) {
  TokenizerClass out;
  const auto read_name = [&](const std::optional<JsonFile>& file) {
    if (!file || !out.name.empty()) return;
    out.name = file->get<std::string>(file->json, "tokenizer_class", "a string").value_or("");
    out.where = file->path + ": tokenizer_class";
  };
  const std::optional<JsonFile>& config = files.config();
  read_name(config);
  // The model's file belongs to others, who refuse what is wrong with it; it is not kept for save.
  if (out.name.empty() && files.has(kModelConfig)) {
    read_name(files.read_json(kModelConfig));
    files.contents.erase(kModelConfig);
  }
  if (config) refuse_unsupported(*config);
  refuse_left_truncation(config, files.tokenizer());
  bool says_inputs = false;
  if (config) {
    const Json& inputs = config->list(config->json, "model_input_names");
    says_inputs = !inputs.empty();
    if (says_inputs && std::ranges::find(inputs, "token_type_ids") == inputs.end()) {
      out.no_types = config->path +
                     ": model_input_names: expected token_type_ids among them, as the model gets "
                     "them for pairs, got none; add it";
    }
  }
  if (out.name.empty()) return out;
  out.is_generic = out.name == "PreTrainedTokenizerFast" || out.name == "TokenizersBackend";
  if (out.is_generic && !files.tokenizer())
    throw UserError(out.where + ": " + out.name + ": expected tokenizer.json beside it, got none");
  const std::string full_name = out.name;
  if (out.name.ends_with("Fast")) out.name.resize(out.name.size() - 4);
  std::string names;
  bool gives_types = false;
  for (const KnownClass& candidate : known) {
    if (out.name == candidate.name) {
      out.layout = candidate.layout;
      gives_types = candidate.gives_types;
    }
    names.append(candidate.name).append(", ");
  }
  if (out.no_types.empty() && !says_inputs && !gives_types) {
    out.no_types =
        out.where + ": " + plain(full_name) +
        ": expected a class that gives token_type_ids, as the model gets them for pairs, got one "
        "that gives none; name the class of the model's family, or write \"model_input_names\": "
        "[\"input_ids\", \"token_type_ids\", \"attention_mask\"] into tokenizer_config.json";
  }
  if (out.is_generic || out.layout != nullptr) return out;
  throw UserError(out.where + ": expected " + names + "or PreTrainedTokenizerFast, got " +
                  plain(full_name) + "; if one of these gives the same ids, write its name there");
}

void describe_post_processor(const TokenizerClass& tokenizer_class, const JsonFile& tokenizer_json,
                             TokenizerSpec& spec) {
  PostProcessor read = read_post_processor(tokenizer_json);
  spec.trim_offsets = read.trim_offsets;
  if (!read.layout && tokenizer_class.is_generic) {
    read.layout =
        DescribedLayout{.where = tokenizer_json.path + ": post_processor",
                        .way_out = "use the tokenizer files of the model",
                        .single = {{DescribedLayout::kFirstText, 0}},
                        .pair = std::vector<DescribedLayout::Piece>{
                            {DescribedLayout::kFirstText, 0}, {DescribedLayout::kSecondText, 1}}};
  }
  if (read.layout) spec.layouts.push_back(std::move(*read.layout));
}

void describe_class(const TokenizerClass& tokenizer_class, const FindToken& find,
                    TokenizerSpec& spec) {
  spec.no_types = tokenizer_class.no_types;
  if (tokenizer_class.layout == nullptr) return;
  DescribedLayout layout =
      tokenizer_class.layout(token_id(spec.special_tokens.cls, find, spec.added_tokens),
                             token_id(spec.special_tokens.sep, find, spec.added_tokens));
  layout.where = tokenizer_class.where + ": " + tokenizer_class.name;
  layout.way_out = "name the class of the model's family, or use the tokenizer files of the model";
  spec.layouts.push_back(std::move(layout));
}

std::optional<bool> value_of_class(const TokenizerClass& tokenizer_class, const JsonFile& config,
                                   const char* key, std::optional<bool> of_tokenizer_json) {
  const auto value = config.get_bool(config.json, key);
  if (!value) return of_tokenizer_json;
  if (tokenizer_class.is_generic && of_tokenizer_json && value != of_tokenizer_json) {
    config.fail(key,
                std::string(*of_tokenizer_json ? "true" : "false") +
                    " as in tokenizer.json, which "
                    "alone is read by a PreTrainedTokenizerFast",
                *value, "make them equal");
  }
  return value;
}

}  // namespace lait
