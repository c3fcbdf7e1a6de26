#include "eval/predict_lines.h"

#include <charconv>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

// A window has enough examples to put similar lengths into a batch.
constexpr int64_t kBatchesPerWindow = 16;

struct Window {
  std::vector<Example> examples;
  std::vector<Json> ids;  // as in the line; null: none
};

// The number whose shortest text is that of `value` as a float, the precision of the logits: 0.3, not
// 0.30000001192092896.
double as_float(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), static_cast<float>(value)).ptr;
  double out = 0;
  std::from_chars(text, end, out);
  return out;
}

void add_line(const std::string& line, const std::string& where, const ModelSpec& spec,
              Window& window) {
  Example example;
  try {
    example = parse_segments(line);
    check_example(example, spec);
  } catch (const std::runtime_error& error) {
    throw UserError(
        where + ": " + error.what() +
        "; each line must be {\"segments\": [\"…\", \"…\"]}, optionally with id and groups");
  }
  window.ids.push_back(example.id.empty() ? Json() : Json(nlohmann::json::parse(line)["id"]));
  example.id = where;  // names the line in later messages
  window.examples.push_back(std::move(example));
}

// The data set of the window. If a line is too long, the data set of the lines before it, and
// `problem` names the line.
Dataset tokenize(const Predictor& predictor, Window& window, std::exception_ptr& problem) {
  try {
    return predictor.tokenize(window.examples);
  } catch (const TooLong& error) {
    problem = std::make_exception_ptr(
        UserError(window.examples[error.example].id + ": " + error.problem));
    window.examples.resize(error.example);
    window.ids.resize(error.example);
  }
  return predictor.tokenize(window.examples);
}

// One line for each prediction, up to the first that is not finite. `problem` then names it.
std::string format_predictions(std::span<const Prediction> predictions, const Window& window,
                               const ModelSpec& spec, std::exception_ptr& problem) {
  std::string out;
  size_t i = 0;
  for (const Prediction& prediction : predictions) {
    if (!std::isfinite(prediction.score)) {
      problem = std::make_exception_ptr(UserError(
          window.examples[i].id + ": expected a finite score, got " +
          std::to_string(shown_number(prediction.score)) +
          ": the model's weights are damaged, or its training diverged; take another checkpoint"));
      break;
    }
    Json json = Json::object();
    if (!window.ids[i].is_null()) json["id"] = window.ids[i];
    if (prediction.probabilities.empty()) {
      json["score"] = as_float(prediction.score);
    } else {
      json["label"] = prediction.label;
      for (size_t k = 0; k < spec.labels.size(); ++k)
        json["scores"][spec.labels[k]] = as_float(prediction.probabilities[k]);
    }
    ++i;
    out += json.dump() + "\n";
  }
  return out;
}

}  // namespace

PredictedLines predict_lines(Predictor& predictor, LineReader& input, const std::string& source,
                             const PredictOptions& options,
                             const std::function<void(std::string_view)>& write) {
  const ModelSpec& spec = predictor.spec();
  const auto window_size = static_cast<size_t>(kBatchesPerWindow * options.batch_size);
  PredictedLines counts;
  std::exception_ptr problem;  // the first line that cannot be predicted
  for (bool more = true; more && !problem;) {
    Window window;
    try {
      while (window.examples.size() < window_size) {
        const auto line = input.next();
        if (!(more = line.has_value())) break;
        if (line->find_first_not_of(" \t\r") == std::string::npos) {
          ++counts.blank_lines;
          continue;
        }
        add_line(*line, source + ":" + std::to_string(input.line_number()), spec, window);
      }
    } catch (const UserError&) {
      problem = std::current_exception();
    }
    const Dataset dataset = tokenize(predictor, window, problem);
    if (dataset.size() == 0) continue;
    counts.lines += dataset.size();
    counts.truncated_sequences += dataset.num_truncated();
    const auto predictions = predictor.model()->head->predict(*predictor.outputs(dataset, options));
    write(format_predictions(predictions, window, spec, problem));
  }
  if (problem) std::rethrow_exception(problem);
  return counts;
}

}  // namespace lait
