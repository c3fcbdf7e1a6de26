#include "eval/predict_lines.h"

#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>

#include "eval/metrics.h"
#include "lait/data/task.h"
#include "lait/data/tasks.h"
#include "lait/error.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kBatchesPerWindow = 16;  // so that a window has examples of similar lengths to batch
constexpr double kDigits = 1e7;            // of printed probabilities and scores

struct Window {
  std::vector<Example> examples;
  std::vector<Json> ids;  // as the line had it; null: none
};

double rounded(double value) { return std::round(value * kDigits) / kDigits; }

// What the checkpoint can take of a line.
class LineChecker {
 public:
  explicit LineChecker(const ModelSpec& spec)
      : segment_names_(find_task(spec.task).segment_names()),
        needs_groups_(std::ranges::any_of(spec.stages, [](const Stage& s) { return s.num_layers > 0 && s.scope == Scope::kGroup; })) {}

  // Throws std::runtime_error "expected …, got …".
  void check(const Example& example) const {
    if (!segment_names_.empty() && example.segments.size() != segment_names_.size()) {
      std::string names;
      for (const std::string& name : segment_names_) names += (names.empty() ? "" : ", ") + name;
      throw std::runtime_error("expected " + std::to_string(segment_names_.size()) + " segments (" + names + "), got " +
                               std::to_string(example.segments.size()));
    }
    if (needs_groups_ && example.groups.empty()) {
      throw std::runtime_error("expected the field \"groups\", which the model's schedule has a stage for, got none");
    }
  }

 private:
  std::vector<std::string> segment_names_;
  bool needs_groups_;
};

void add_line(const std::string& line, const std::string& where, const LineChecker& checker, Window& window) {
  Example example;
  try {
    example = parse_segments(line);
    checker.check(example);
  } catch (const std::runtime_error& error) {
    throw UserError(where + ": " + error.what() + "; every line is {\"segments\": [\"…\", \"…\"]}, optionally with id and groups");
  }
  window.ids.push_back(example.id.empty() ? Json() : Json(nlohmann::json::parse(line)["id"]));
  example.id = where;  // names the line in messages of what follows
  window.examples.push_back(std::move(example));
}

// One line for each row of logits.
std::string format_predictions(const at::Tensor& logits, const Window& window, const ModelSpec& spec) {
  const std::vector<double> predicted = predictions(logits);
  const bool regression = spec.head == Head::kRegression;
  const at::Tensor probabilities = regression ? at::Tensor() : at::softmax(logits.to(at::kDouble), 1).contiguous();
  const double* row = regression ? nullptr : probabilities.const_data_ptr<double>();
  std::string out;
  for (size_t i = 0; i < predicted.size(); ++i) {
    const double number = regression ? predicted[i] : row[0];
    if (!std::isfinite(number)) {
      throw std::runtime_error(window.examples[i].id + ": the model gave " + std::to_string(number) + "; its weights are damaged");
    }
    Json json = Json::object();
    if (!window.ids[i].is_null()) json["id"] = window.ids[i];
    if (regression) {
      json["score"] = rounded(predicted[i]);
    } else {
      json["label"] = spec.labels[static_cast<size_t>(predicted[i])];
      for (const std::string& label : spec.labels) json["scores"][label] = rounded(*row++);
    }
    out += json.dump() + "\n";
  }
  return out;
}

}  // namespace

PredictedLines predict_lines(Predictor& predictor, LineReader& input, const std::string& source, const PredictOptions& options,
                             const std::function<void(std::string_view)>& write) {
  const ModelSpec& spec = predictor.spec();
  const LineChecker checker(spec);
  const auto window_size = static_cast<size_t>(kBatchesPerWindow * options.batch_size);
  PredictedLines counts;
  std::exception_ptr bad_line;
  for (bool more = true; more;) {
    Window window;
    try {
      while (window.examples.size() < window_size) {
        const auto line = input.next();
        if (!(more = line.has_value())) break;
        if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
        add_line(*line, source + ":" + std::to_string(input.line_number()), checker, window);
      }
    } catch (const UserError&) {
      bad_line = std::current_exception();
      more = false;
    }
    if (!window.examples.empty()) {
      const Dataset dataset = predictor.tokenize(window.examples);
      counts.lines += dataset.size();
      counts.truncated_sequences += dataset.num_truncated();
      write(format_predictions(*run_model(predictor.model(), dataset, options), window, spec));
    }
    if (bad_line) std::rethrow_exception(bad_line);
  }
  return counts;
}

}  // namespace lait
