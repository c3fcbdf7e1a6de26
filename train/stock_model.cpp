#include "train/stock_model.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/enum_names.h"
#include "lait/model/head.h"
#include "train/bench_model.h"

namespace lait {
namespace fs = std::filesystem;
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
    : folder_(fs::temp_directory_path() / fmt::format("lait_bench_{}", ::getpid())) {
  fs::create_directories(folder_);
  try {
    const fs::path script = folder_ / "stock_model_peer.py", file = folder_ / "batches.json";
    write_file(file, settings_of(in, predicts, batches).dump());
    write_file(script, kStockModelPeer);
    process_.emplace(
        std::vector<std::string>{python, script.string(), in.model_dir.string(), file.string()});
    const auto answer = nlohmann::json::parse(process_->read_line());
    problem_ = answer.value("problem", "");
    variant_ = answer.value("variant", "");
    saved_bytes_ = answer.value("saved_bytes", int64_t{0});
  } catch (...) {
    remove_folder();
    throw;
  }
}

StockModel::~StockModel() { remove_folder(); }

void StockModel::run() {
  process_->write_line("run");
  peak_bytes_ = nlohmann::json::parse(process_->read_line()).at("peak_bytes");
}

void StockModel::remove_folder() {
  process_.reset();  // it may still read
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace lait
