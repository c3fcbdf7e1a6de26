#include "lait/model/hf_config.h"

#include <algorithm>

#include "kernels/segment_attention.h"
#include "lait/error.h"
#include "lait/files.h"
#include "lait/model/json_limits.h"

namespace lait {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 24;  // of anything: larger is a damaged file

class Fields {
 public:
  Fields(const std::filesystem::path& path, const nlohmann::ordered_json& json) : path_(path.string()), json_(json) {}

  [[noreturn]] void fail(const std::string& what) const { throw UserError(path_ + ": " + what); }

  int64_t count(const char* key, std::optional<int64_t> fallback = std::nullopt) const {
    if (!json_.contains(key) && fallback) return *fallback;
    const auto& value = json_.contains(key) ? json_.at(key) : nlohmann::ordered_json();
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > kMaxCount) {
      fail(std::string(key) + ": expected a whole number from 1 to " + std::to_string(kMaxCount) + ", got " + text(value));
    }
    return value.get<int64_t>();
  }

  // A number in [0, below); null and a missing key give the fallback.
  double number(const char* key, double fallback, double below) const {
    if (!json_.contains(key) || json_.at(key).is_null()) return fallback;
    const auto& value = json_.at(key);
    if (!value.is_number() || !(value.get<double>() >= 0) || !(value.get<double>() < below)) {
      fail(std::string(key) + ": expected a number in [0, " + std::to_string(below) + "), got " + text(value));
    }
    return value.get<double>();
  }

  void expect(const char* key, const std::string& expected, const char* what) const {
    if (!json_.contains(key)) return;
    if (json_.at(key) != expected) fail(std::string(key) + ": expected " + expected + " (" + what + "), got " + text(json_.at(key)));
  }

 private:
  static std::string text(const nlohmann::ordered_json& value) {
    return value.is_null() ? "nothing" : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60);
  }
  std::string path_;
  const nlohmann::ordered_json& json_;
};

}  // namespace

HfConfig read_hf_config(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  HfConfig c;
  const std::string content = read_file(path);
  parse_json(content, path.string());  // the checks; then again to keep the order of the keys
  c.raw = nlohmann::ordered_json::parse(content);
  const Fields fields(path, c.raw);
  if (!c.raw.is_object()) fields.fail("expected a JSON object");
  if (!c.raw.contains("model_type")) fields.fail("model_type: expected bert, got nothing; is this a Hugging Face model?");
  fields.expect("model_type", "bert", "the model family that this build knows");
  fields.expect("hidden_act", "gelu", "exact GELU");
  fields.expect("position_embedding_type", "absolute", "BERT's learnt positions");
  c.vocab_size = fields.count("vocab_size");
  c.hidden_size = fields.count("hidden_size");
  c.num_hidden_layers = fields.count("num_hidden_layers");
  c.num_attention_heads = fields.count("num_attention_heads");
  c.intermediate_size = fields.count("intermediate_size");
  c.max_position_embeddings = fields.count("max_position_embeddings");
  c.type_vocab_size = fields.count("type_vocab_size", 2);
  c.layer_norm_eps = fields.number("layer_norm_eps", 1e-12, 1);
  c.hidden_dropout_prob = fields.number("hidden_dropout_prob", 0.1, 1);
  c.attention_probs_dropout_prob = fields.number("attention_probs_dropout_prob", 0.1, 1);
  c.initializer_range = fields.number("initializer_range", 0.02, 10);
  if (c.raw.contains("classifier_dropout") && !c.raw["classifier_dropout"].is_null()) c.classifier_dropout = fields.number("classifier_dropout", 0, 1);
  if (c.hidden_size % c.num_attention_heads != 0) {
    fields.fail("hidden_size: expected a multiple of num_attention_heads " + std::to_string(c.num_attention_heads) + ", got " + std::to_string(c.hidden_size));
  }
  const int64_t head_dim = c.hidden_size / c.num_attention_heads;
  if (std::ranges::find(kernels::kHeadDims, head_dim) == std::end(kernels::kHeadDims)) {
    fields.fail("hidden_size / num_attention_heads: the head dimension must be one of {32, 64, 128}, got " + std::to_string(head_dim));
  }
  constexpr int64_t kMaxLayers = 256, kMaxPositions = 65536;  // what the dropout's counters hold
  if (c.num_hidden_layers > kMaxLayers) fields.fail("num_hidden_layers: expected at most " + std::to_string(kMaxLayers) + ", got " + std::to_string(c.num_hidden_layers));
  if (c.max_position_embeddings > kMaxPositions) fields.fail("max_position_embeddings: expected at most " + std::to_string(kMaxPositions) + ", got " + std::to_string(c.max_position_embeddings));
  return c;
}

void write_hf_config(const std::filesystem::path& dir, const HfConfig& config, const std::vector<std::string>& labels, bool regression) {
  nlohmann::ordered_json json = config.raw;
  json["architectures"] = {"BertForSequenceClassification"};
  json["hidden_dropout_prob"] = config.hidden_dropout_prob;
  json["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob;
  json["classifier_dropout"] = config.classifier_dropout ? nlohmann::ordered_json(*config.classifier_dropout) : nlohmann::ordered_json(nullptr);
  const std::vector<std::string> names = regression ? std::vector<std::string>{"LABEL_0"} : labels;
  nlohmann::ordered_json id2label = nlohmann::ordered_json::object(), label2id = nlohmann::ordered_json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    id2label[std::to_string(i)] = names[i];
    label2id[names[i]] = i;
  }
  json["id2label"] = id2label;
  json["label2id"] = label2id;
  json["problem_type"] = regression ? "regression" : "single_label_classification";
  write_file(dir / "config.json", json.dump(2) + "\n");
}

}  // namespace lait
