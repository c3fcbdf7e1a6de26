// eval/: metrics, FLOPs, reports, prediction; the programs lait-eval, lait-predict and lait-bench.
//
// The one code path from a tokenized data set to logits: evaluation while training, lait-eval and lait-predict, and
// programs of others:
//
//   lait::Predictor predictor = lait::Predictor::load("runs/sick/best");
//   const lait::Prediction p = predictor.predict({"A man sleeps.", "Somebody is asleep."});   // p.label, p.score
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/data/dataset.h"
#include "lait/model/model.h"

namespace lait {

inline constexpr int64_t kEvaluationBatch = 64;  // examples

struct PredictOptions {
  int64_t batch_size =
      kEvaluationBatch;  // examples; changes speed and memory, no result (on the CPU not a bit)
  std::function<bool()> should_stop = {};         // asked between batches; null: never
  std::function<void(int64_t)> on_progress = {};  // told the number of examples done; null: nobody
};

// Logits (N, K) float on the CPU, in the data set's order; nullopt where should_stop said so. Without gradients and
// dropout. Batches of similar lengths, so the result comes in the data set's order at the end.
std::optional<at::Tensor> run_model(Model& model, const Dataset& dataset,
                                    const PredictOptions& options = {});

// What the model says of one example.
struct Prediction {
  std::string label{};  // the most probable class; "" of a regression
  double score = 0;     // its probability; a regression's score
  std::vector<double>
      probabilities{};  // by class, in the order of spec().labels; empty of a regression
};
// One for each row of logits (N, K).
std::vector<Prediction> make_predictions(const at::Tensor& logits, const ModelSpec& spec);

// Throws std::runtime_error "expected …, got …": the task has another number of segments, or the schedule needs groups.
void check_example(const Example& example, const ModelSpec& spec);

// A checkpoint that predicts: model and tokenizer as lait.yaml says.
class Predictor {
 public:
  // Throws UserError for everything that is wrong with the checkpoint.
  static Predictor load(const std::filesystem::path& checkpoint,
                        Precision precision = Precision::kAuto,
                        DeviceKind device = DeviceKind::kAuto);
  // The same weights under the schedule with the first `independent_layers` split. Throws UserError: out of range, a
  // checkpoint of the pair format (its segments are not separate sequences), or pooling that could not see all segments.
  static Predictor load_at(const std::filesystem::path& checkpoint, int64_t independent_layers,
                           Precision precision, DeviceKind device);

  // One example; many at once are faster through logits(). Throws as check_example does.
  Prediction predict(std::vector<std::string> segments);

  Dataset tokenize(std::span<const Example> examples) const;
  // (N, K) float, in the examples' order; nullopt where options.should_stop said so.
  std::optional<at::Tensor> logits(std::span<const Example> examples,
                                   const PredictOptions& options = {});

  Model& model() { return model_; }
  const ModelSpec& spec() const { return model_->spec; }

 private:
  Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer);

  Model model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace lait
