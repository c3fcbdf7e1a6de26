#include "lait/model/hf_config.h"

#include <sstream>

#include "kernels/segment_attention.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/config/config.h"
#include "lait/model/config_fields.h"
#include "lait/model/family.h"
#include "lait/model/hf_code.h"
#include "lait/model/hf_labels.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

// The dropout key holds the head in 8 bits, the position in 16. The widths are far above any
// model's; they refuse a damaged file before memory is allocated.
constexpr int64_t kMaxHeads = 256, kMaxPositions = 65536, kMaxWidth = 65536,
                  kMaxVocabulary = int64_t{1} << 24;
constexpr double kMaxParameters = 2e10;
constexpr const char *kModelType = "model_type", *kTokenizerClass = "tokenizer_class";

void check_size(const HfConfig& config, ConfigFields& fields) {
  const double parameters = config.family->num_parameters(config);
  if (parameters <= kMaxParameters) return;
  std::ostringstream text;
  text << "the sizes: expected a model of at most " << kMaxParameters << " parameters, got "
       << parameters << "; is the file damaged?";
  fields.problem(text.str());
}

// Throws if there is none: another family's other fields mean nothing here.
const Family* read_family(ConfigFields& fields, const Json& json) {
  const bool ours = !fields.absent(kModelType) && json[kModelType] == kLaitModelType;
  const char* const key = ours ? kBaseModelType : kModelType;
  const bool none = fields.absent(key);
  const Family* family =
      !none && json[key].is_string() ? find_family(json[key].get<std::string>()) : nullptr;
  if (family != nullptr) return family;
  fields.problem(std::string(key) + ": expected one of {" + family_names() + "}" +
                 (ours ? " beside model_type \"lait\"" : "") + ", got " +
                 (!none
                      ? json[key].dump() + "; use a checkpoint of a family that this build supports"
                  : ours ? "nothing; is the file damaged?"
                         : "nothing; is this a Hugging Face model folder?"));
  fields.throw_problems();
  return nullptr;
}

}  // namespace

void read_common_fields(ConfigFields& fields, HfConfig& c) {
  fields.expect("is_decoder", false, "attention is never causal in this family's encoder");
  fields.expect("add_cross_attention", false, "there is nothing to attend to besides the text");
  fields.expect("pruned_heads", Json::object(), "layers with fewer heads are not supported");
  if (!fields.absent("quantization_config"))
    fields.problem(
        "quantization_config: expected nothing, got one; use the unquantised checkpoint");
  c.vocab_size = fields.count("vocab_size", kMaxVocabulary);
  c.hidden_size = fields.count("hidden_size", kMaxWidth);
  c.num_hidden_layers = fields.count("num_hidden_layers", kMaxLayers);
  c.num_attention_heads = fields.count("num_attention_heads", kMaxHeads);
  c.intermediate_size = fields.count("intermediate_size", 4 * kMaxWidth);
  c.max_position_embeddings =
      fields.count("max_position_embeddings", kMaxPositions, std::nullopt, kFewestTokens);
  c.type_vocab_size = fields.count("type_vocab_size", kMaxPositions, 2);
  c.pad_token_id = fields.count("pad_token_id", kMaxVocabulary, 0, /*low=*/0);
  c.layer_norm_eps = fields.number("layer_norm_eps", c.layer_norm_eps, 1);
  c.hidden_dropout_prob = fields.number("hidden_dropout_prob", c.hidden_dropout_prob, 1);
  c.attention_probs_dropout_prob =
      fields.number("attention_probs_dropout_prob", c.attention_probs_dropout_prob, 1);
  c.initializer_range = fields.number("initializer_range", c.initializer_range, 10);
  if (!fields.absent("classifier_dropout"))
    c.classifier_dropout = fields.number("classifier_dropout", 0, 1);
  c.max_tokens = c.max_position_embeddings;
  if (c.hidden_size == 0 || c.num_attention_heads == 0) return;
  c.head_dim = c.hidden_size / c.num_attention_heads;
  if (c.hidden_size % c.num_attention_heads != 0) {
    fields.problem("hidden_size: expected a multiple of num_attention_heads " +
                   std::to_string(c.num_attention_heads) + ", got " +
                   std::to_string(c.hidden_size));
    return;
  }
  const std::string problem = kernels::head_dim_problem(c.head_dim);
  if (problem.empty()) return;
  fields.problem("hidden_size / num_attention_heads: " + problem +
                 "; use a model whose head_dim the kernels support");
}

HfConfig read_hf_config(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  HfConfig config;
  config.raw = read_json<Json>(path);
  if (!config.raw.is_object())
    throw UserError(path.string() + ": expected a JSON object, got " + config.raw.type_name());
  ConfigFields fields(path, config.raw);
  config.family = read_family(fields, config.raw);
  config.labels = read_hf_labels(fields, config.raw);
  config.family->read_config(fields, config);
  if (config.hidden_size > 0) check_size(config, fields);
  fields.throw_problems();
  return config;
}

void write_hf_config(const std::filesystem::path& dir, const HfConfig& config,
                     const std::string& architecture, HeadKind head,
                     const std::vector<std::string>& labels, const Json& added) {
  Json json = config.raw.is_object() ? config.raw : Json::object();
  // Of the checkpoint that the model was trained from. Its code is not copied.
  for (const char* key : {kBaseModelType, kHfSettings, "auto_map"}) json.erase(key);
  json["architectures"] = {architecture.empty() ? kLaitArchitecture : architecture};
  json[kModelType] = architecture.empty() ? kLaitModelType : config.family->model_type();
  if (architecture.empty()) {
    json[kBaseModelType] = config.family->model_type();
    const std::string tokenizer = config.family->tokenizer_class();
    if (!json.contains(kTokenizerClass) && !tokenizer.empty()) json[kTokenizerClass] = tokenizer;
  }
  config.family->write_config(config, json);
  // The weights are written in fp32, whatever the original's dtype; transformers would load them in
  // the dtype named here.
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (json.contains(key)) json[key] = "float32";
  }
  write_hf_labels(json, head, labels);
  json.update(added);
  // A label that is not UTF-8 must not lose the training run that is being saved.
  write_file(dir / "config.json", json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace lait
