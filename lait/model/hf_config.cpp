#include "lait/model/hf_config.h"

#include <sstream>

#include "kernels/segment_attention.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/config/config.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

// Heads are 8 bits of the dropout's counter, positions 16; the widths are far above any
// BERT, so that a damaged file is refused before memory is asked for.
constexpr int64_t kMaxHeads = 256, kMaxPositions = 65536, kMaxWidth = 65536,
                  kMaxVocabulary = int64_t{1} << 24;
constexpr double kMaxParameters = 2e10;

// Reads fields and collects what is wrong with them, so that all of it is said at once.
class Fields {
 public:
  Fields(std::filesystem::path path, const Json& json) : path_(std::move(path)), json_(json) {}

  void problem(const std::string& what) { problems_.push_back(what); }

  void throw_problems() const {
    if (problems_.empty()) return;
    std::string text = path_.string() + ":";
    for (const std::string& what : problems_) text += (problems_.size() == 1 ? " " : "\n  ") + what;
    throw UserError(text);
  }

  // A whole number in [low, high]; 0 where it is wrong, which is then a problem.
  int64_t count(const char* key, int64_t high, std::optional<int64_t> fallback = std::nullopt,
                int64_t low = 1) {
    if (absent(key) && fallback) return *fallback;
    const bool whole = !absent(key) && json_.at(key).is_number_integer();
    const bool huge = whole && json_.at(key).is_number_unsigned() &&
                      json_.at(key).get<uint64_t>() > static_cast<uint64_t>(high);
    if (!whole || huge || json_.at(key).get<int64_t>() < low ||
        json_.at(key).get<int64_t>() > high) {
      problem(std::string(key) + ": expected a whole number from " + std::to_string(low) + " to " +
              std::to_string(high) + ", got " + got(key));
      return 0;
    }
    return json_.at(key).get<int64_t>();
  }

  // A number in [0, below); null and a missing key give the fallback.
  double number(const char* key, double fallback, double below) {
    if (absent(key)) return fallback;
    const Json& value = json_.at(key);
    if (!value.is_number() || !(value.get<double>() >= 0) || !(value.get<double>() < below)) {
      std::ostringstream text;
      text << key << ": expected a number from 0 to less than " << below << ", got " << got(key);
      problem(text.str());
      return fallback;
    }
    return value.get<double>();
  }

  // What this build computes in one way only; a missing key means that way.
  void expect(const char* key, const Json& expected, const std::string& because) {
    if (absent(key) || json_.at(key) == expected) return;
    problem(std::string(key) + ": expected " + expected.dump() + ", got " + got(key) + "; " +
            because);
  }

  bool absent(const char* key) const { return !json_.contains(key) || json_.at(key).is_null(); }

 private:
  std::string got(const char* key) const {
    if (absent(key)) return "nothing";
    const Json& value = json_.at(key);
    if (value.is_string()) return quote(value.get<std::string>());
    return value.is_structured() ? std::string("an ") + value.type_name() : value.dump();
  }

  std::filesystem::path path_;
  const Json& json_;
  std::vector<std::string> problems_;
};

void check_head_dim(const HfConfig& c, Fields& fields) {
  if (c.hidden_size == 0 || c.num_attention_heads == 0) return;
  if (c.hidden_size % c.num_attention_heads != 0) {
    fields.problem("hidden_size: expected a multiple of num_attention_heads " +
                   std::to_string(c.num_attention_heads) + ", got " +
                   std::to_string(c.hidden_size));
    return;
  }
  const std::string problem = kernels::head_dim_problem(c.hidden_size / c.num_attention_heads);
  if (problem.empty()) return;
  fields.problem("hidden_size / num_attention_heads: " + problem +
                 "; take a model whose heads the kernels have");
}

void check_size(const HfConfig& c, Fields& fields) {
  const double parameters = c.num_parameters();
  if (parameters <= kMaxParameters) return;
  std::ostringstream text;
  text << "the sizes: expected a model of at most " << kMaxParameters << " parameters, got "
       << parameters << "; is the file damaged?";
  fields.problem(text.str());
}

}  // namespace

double HfConfig::num_parameters() const {
  const auto width = static_cast<double>(hidden_size);
  const double layer = 4 * width * width + 2 * width * static_cast<double>(intermediate_size);
  return layer * static_cast<double>(num_hidden_layers) +
         width * static_cast<double>(vocab_size + max_position_embeddings + type_vocab_size);
}

std::vector<std::string> HfConfig::label_names() const {
  std::vector<std::string> names;
  bool named = false;
  const auto id2label = raw.is_object() ? raw.find("id2label") : raw.end();
  if (id2label == raw.end() || !id2label->is_object()) return {};
  for (size_t i = 0; i < id2label->size(); ++i) {
    const auto name = id2label->find(std::to_string(i));
    if (name == id2label->end() || !name->is_string()) return {};
    names.push_back(name->get<std::string>());
    named = named || names.back() != "LABEL_" + std::to_string(i);
  }
  return named ? names : std::vector<std::string>{};
}

HfConfig read_hf_config(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  HfConfig c;
  c.raw = read_json<Json>(path);
  if (!c.raw.is_object())
    throw UserError(path.string() + ": expected a JSON object, got " + c.raw.type_name());
  Fields fields(path, c.raw);
  if (fields.absent("model_type"))
    fields.problem(
        "model_type: expected \"bert\", got nothing; is this a Hugging Face model folder?");
  fields.expect("model_type", "bert", "this build fine-tunes BERT; take a BERT checkpoint");
  fields.throw_problems();  // another family's other fields say nothing

  fields.expect("hidden_act", "gelu", "the kernels have exact (erf) GELU only");
  fields.expect("position_embedding_type", "absolute",
                "the model has BERT's learnt positions only");
  fields.expect("is_decoder", false, "attention is never causal in BERT's encoder");
  fields.expect("add_cross_attention", false, "there is nothing to attend to beside the text");
  fields.expect("pruned_heads", Json::object(), "layers with fewer heads are not supported");
  if (!fields.absent("quantization_config"))
    fields.problem(
        "quantization_config: expected nothing, got one; take the unquantised checkpoint");
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
  check_head_dim(c, fields);
  check_size(c, fields);
  fields.throw_problems();
  return c;
}

void write_hf_config(const std::filesystem::path& dir, const HfConfig& config,
                     const std::vector<std::string>& labels, bool regression) {
  Json json = config.raw.is_object() ? config.raw : Json::object();
  json["architectures"] = {"BertForSequenceClassification"};
  json["model_type"] = "bert";
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["intermediate_size"] = config.intermediate_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["type_vocab_size"] = config.type_vocab_size;
  json["pad_token_id"] = config.pad_token_id;
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["hidden_dropout_prob"] = config.hidden_dropout_prob;
  json["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob;
  json["initializer_range"] = config.initializer_range;
  json["classifier_dropout"] =
      config.classifier_dropout ? Json(*config.classifier_dropout) : Json(nullptr);
  // The weights are written in fp32, whatever the original was in; transformers would load them in
  // what stands here.
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (json.contains(key)) json[key] = "float32";
  }
  // The number of labels is id2label's; an older count beside it would win or warn.
  for (const char* key : {"num_labels", "_num_labels"}) json.erase(key);
  const std::vector<std::string> names = regression ? std::vector<std::string>{"LABEL_0"} : labels;
  Json id2label = Json::object(), label2id = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    id2label[std::to_string(i)] = names[i];
    label2id[names[i]] = i;
  }
  json["id2label"] = id2label;
  json["label2id"] = label2id;
  json["problem_type"] = regression ? "regression" : "single_label_classification";
  // A label that is not UTF-8 must not cost the training that is being saved.
  write_file(dir / "config.json", json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace lait
