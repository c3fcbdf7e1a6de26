#include "train/stock_model.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/model/head.h"
#include "train/bench_model.h"

namespace lait {
namespace {

std::vector<std::vector<int32_t>> label_tokens(const RunInputs& in) {
  std::vector<std::vector<int32_t>> out;
  if (!find_head(in.spec.head).needs_decoder) return out;
  for (const std::string& text : label_texts(in.spec))
    out.push_back(target_tokens(text, *in.tokenizer));
  return out;
}

// The index of a class, or a number; of a head that writes numbers the index of the nearest text.
double value_of(const Label& label, const ModelSpec& spec) {
  if (const auto* known = std::get_if<ClassLabel>(&label)) return static_cast<double>(known->index);
  if (const auto* number = std::get_if<NumberLabel>(&label)) {
    if (!find_head(spec.head).needs_decoder) return number->value;
    return static_cast<double>(nearest_value(text_values(spec), number->value));
  }
  throw UserError(
      "--python: transformers is measured on examples with a class or a number, got others");
}

nlohmann::json settings_of(const RunInputs& in, bool predicts,
                           const std::vector<std::vector<int64_t>>& batches) {
  const TrainingConfig& training = in.config.training;
  nlohmann::json json{{"mode", predicts ? "predict" : "train"},
                      {"threads", at::get_num_threads()},
                      {"num_labels", std::max<size_t>(1, in.spec.labels.size())},
                      {"label_tokens", label_tokens(in)},
                      {"learning_rate", training.learning_rate},
                      {"optimizer", to_string(training.optimizer)},
                      {"batches", nlohmann::json::array()}};
  const Dataset& dataset = *in.train.dataset;
  for (const auto& batch : batches) {
    nlohmann::json& examples = json["batches"].emplace_back(nlohmann::json::array());
    for (const int64_t i : batch) {
      const TokenizedExample example = dataset.example(i);
      const int32_t pair = example.sequences[0];
      const auto tokens = dataset.tokens(pair);
      examples.push_back({std::vector(tokens.begin(), tokens.end()),
                          dataset.first_segment_length(pair), value_of(example.label, in.spec)});
    }
  }
  return json;
}

}  // namespace

StockModel::StockModel(const std::string& python, const RunInputs& in, bool predicts,
                       const std::vector<std::vector<int64_t>>& batches)
    : script_(python, "stock_model_peer.py", kStockModelPeer, {in.model_dir.string()},
              settings_of(in, predicts, batches).dump()) {
  const auto answer = nlohmann::json::parse(script_.process().read_line());
  problem_ = answer.value("problem", "");
  variant_ = answer.value("variant", "");
  saved_bytes_ = answer.value("saved_bytes", int64_t{0});
}

void StockModel::run() {
  script_.process().write_line("run");
  peak_bytes_ = nlohmann::json::parse(script_.process().read_line()).at("peak_bytes");
}

}  // namespace lait
