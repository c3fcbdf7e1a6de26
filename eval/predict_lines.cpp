#include "eval/predict_lines.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "eval/prediction_json.h"
#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/data/example_reader.h"
#include "lait/predict/value_window.h"

namespace lait {
namespace {

using Json = Record::Json;

// The fields of an output line that are the prediction's (kPredictionFields): of a model that finds
// answers, and of one that writes a text.
constexpr std::string_view kAnswerFields[] = {"answer", "start",     "end",
                                              "score",  "no_answer", "truncated"};
constexpr std::string_view kTextFields[] = {"text", "truncated"};

// A window has enough examples to put similar lengths into a batch.
constexpr int64_t kBatchesPerWindow = 16;

class LinePredictor {
 public:
  LinePredictor(Predictor& predictor, const PredictOptions& options,
                const std::function<void(std::string_view)>& write,
                std::optional<int64_t> max_new_tokens)
      : predictor_(predictor),
        options_(options),
        write_(write),
        max_new_tokens_(max_new_tokens),
        window_(predictor.values(), kBatchesPerWindow * options.batch_size) {}

  bool is_full() const { return window_.is_full(); }
  void add(Example example, const Json& others) {
    check_example(std::span(&example, 1));
    others_.push_back(carried(others, example));
    window_.add(example);
    examples_.push_back(std::move(example));
  }
  // Predicts and writes what was added. Throws UserError if an example cannot be predicted, once
  // those before it are written.
  void flush() {
    const std::vector<Example> examples = std::exchange(examples_, {});
    const std::vector<Json> others = std::exchange(others_, {});
    window_.clear();
    if (examples.empty()) return;
    if (predictor_.values() != nullptr) return flush_valued(examples, others);
    std::exception_ptr problem;
    const Dataset dataset = tokenize(examples, problem);
    if (dataset.size() > 0) {
      if (max_new_tokens_) {
        write_(text_lines(*predictor_.generate(dataset, *max_new_tokens_, options_), dataset,
                          examples, others));
      } else if (dataset.has_windows()) {
        write_(answer_lines(*predictor_.answers(dataset, options_), dataset, examples, others));
      } else {
        const auto predictions =
            predictor_.model()->head->predict(*predictor_.outputs(dataset, options_));
        write_(lines(predictions, examples, others,
                     [&](size_t i) { return dataset.example(static_cast<int64_t>(i)).truncated; }));
      }
    }
    if (problem) std::rethrow_exception(problem);
  }
  PredictedLines& counts() { return counts_; }

 private:
  // The same through the store.
  void flush_valued(std::span<const Example> examples, std::span<const Json> others) {
    std::exception_ptr problem;
    try {
      write_valued(examples, others);
    } catch (const TooLong& error) {
      problem = std::current_exception();
      write_valued(examples.first(error.example), others);
    }
    if (problem) std::rethrow_exception(problem);
  }

  void write_valued(std::span<const Example> examples, std::span<const Json> others) {
    if (examples.empty()) return;
    const auto found = predictor_.valued_outputs(examples, options_);
    write_(lines(predictor_.model()->head->predict(found->outputs), examples, others,
                 [&](size_t i) { return std::span(found->truncated[i]); }));
  }

  void check_example(std::span<const Example> example) const {
    check_examples(example, predictor_.spec());
  }

  bool is_predicted(const std::string& field) const {
    const auto among = [&](const auto& fields) {
      return std::ranges::find(fields, field) != std::end(fields);
    };
    if (max_new_tokens_) return among(kTextFields);
    return predictor_.spec().window_overlap ? among(kAnswerFields) : among(kPredictionFields);
  }

  // A reader of the output must not take the input's fields for the prediction's.
  Json carried(const Json& others, const Example& example) {
    Json out = Json::object();
    for (const auto& [name, value] : others.items()) {
      const bool taken = is_predicted(name);
      const std::string carried_name = taken ? "input_" + name : name;
      if (taken && others.contains(carried_name)) {
        const std::string place = example_name(std::span(&example, 1), 0);
        throw UserError(place + ": expected at most one of the fields \"" + name +
                        "\", which is carried as \"" + carried_name + "\", and \"" + carried_name +
                        "\", got both; rename one");
      }
      if (taken) counts_.renamed.insert(name);
      out[carried_name] = value;
    }
    return out;
  }

  // The data set of the examples; up to the first that is too long, which `problem` then names.
  Dataset tokenize(std::span<const Example> examples, std::exception_ptr& problem) const {
    try {
      return predictor_.tokenize(examples);
    } catch (const TooLong& error) {
      problem = std::current_exception();
      return predictor_.tokenize(examples.first(error.example));
    }
  }

  // truncated(i): the segments of example i that lost tokens.
  std::string lines(std::span<const Prediction> predictions, std::span<const Example> examples,
                    std::span<const Json> others,
                    const std::function<std::span<const int32_t>(size_t)>& truncated) {
    std::string out;
    for (size_t i = 0; i < predictions.size(); ++i) {
      const Prediction& prediction = predictions[i];
      check_finite(prediction.score, out, examples, i);
      Json line = others[i];
      add_prediction(line, prediction, predictor_.spec());
      end_line(line, truncated(i), out);
    }
    return out;
  }

  std::string text_lines(std::span<const GeneratedText> texts, const Dataset& dataset,
                         std::span<const Example> examples, std::span<const Json> others) {
    std::string out;
    for (size_t i = 0; i < texts.size(); ++i) {
      check_finite(texts[i].is_finite ? 0 : std::nan(""), out, examples, i);
      Json line = others[i];
      line["text"] = texts[i].text;
      end_line(line, dataset.example(static_cast<int64_t>(i)).truncated, out);
    }
    return out;
  }

  std::string answer_lines(std::span<const Answer> answers, const Dataset& dataset,
                           std::span<const Example> examples, std::span<const Json> others) {
    std::string out;
    int64_t window = 0;
    for (size_t i = 0; i < answers.size(); ++i) {
      const Answer& answer = answers[i];
      check_finite(answer.score, out, examples, i);
      const bool none = answer.is_none(predictor_.spec().no_answer_threshold);
      const std::string& passage = examples[i].segments.back();
      const auto place = [&](int64_t byte) {
        return none ? Json(nullptr) : Json(character_of(passage, byte));
      };
      Json line = others[i];
      line["answer"] = none ? "" : answer.text;
      line["start"] = place(answer.begin);
      line["end"] = place(answer.end);
      line["score"] = as_float(answer.score);
      line["no_answer"] = as_float(answer.no_answer);
      end_line(line, dataset.example(window).truncated, out);
      while (window < dataset.size() && dataset.window(window).question == static_cast<int32_t>(i))
        ++window;
    }
    return out;
  }

  // Throws UserError, once the lines before are written.
  void check_finite(double score, const std::string& lines, std::span<const Example> examples,
                    size_t i) const {
    if (std::isfinite(score)) return;
    write_(lines);
    throw UserError(example_name(examples, i) + ": expected a finite score, got " +
                    std::to_string(shown_number(score)) +
                    ": the model's weights are damaged, or its training diverged; take "
                    "another checkpoint");
  }

  void end_line(Json& line, std::span<const int32_t> truncated, std::string& lines) {
    add_truncated(line, truncated);
    counts_.truncated += truncated.empty() ? 0 : 1;
    ++counts_.lines;
    lines += line.dump() + "\n";
  }

  Predictor& predictor_;
  const PredictOptions& options_;
  const std::function<void(std::string_view)>& write_;
  std::optional<int64_t> max_new_tokens_;
  std::vector<Example> examples_;
  std::vector<Json> others_;
  ValueWindow window_;  // of examples_
  PredictedLines counts_;
};

}  // namespace

ReadOptions reading_for_prediction(const ModelSpec& spec) {
  ReadOptions reading = spec.reading;
  reading.purpose = ReadFor::kPrediction;
  reading.skip_bad_lines = 0;
  return reading;
}

PredictedLines predict_lines(Predictor& predictor, LineReader input, const PredictOptions& options,
                             const std::function<void(std::string_view)>& write,
                             std::optional<int64_t> max_new_tokens) {
  LinePredictor window(predictor, options, write, max_new_tokens);
  input.on_wait([&] { window.flush(); });
  const ModelSpec& spec = predictor.spec();
  ExampleReader reader(find_task(spec.task), std::move(input), reading_for_prediction(spec));
  std::exception_ptr problem;
  try {
    Json others;
    while (auto example = reader.next(&others)) {
      window.add(std::move(*example), others);
      if (window.is_full()) window.flush();
    }
  } catch (const UserError&) {
    problem = std::current_exception();
  }
  window.flush();
  if (problem) std::rethrow_exception(problem);
  window.counts().blank_lines = reader.blank_lines();
  if (window.counts().lines == 0) window.counts().found_instead = reader.found_instead();
  return window.counts();
}

}  // namespace lait
