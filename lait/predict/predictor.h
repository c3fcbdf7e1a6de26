// lait/predict/: from texts to scores.
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

// Computes the first batch and throws it away, for what is measured after it: libraries have loaded, memory is there.
void warm_up(Model& model, const Dataset& dataset, int64_t batch_size);

// What each row of logits (N, K) predicts: the first of the largest classes, or the score itself where K = 1. The one
// place where evaluation and prediction make a label of numbers.
std::vector<double> predictions(const at::Tensor& logits);

// What the model says of one example.
struct Prediction {
  std::string label{};  // the most probable class; "" of a regression
  double score = 0;     // its probability; a regression's score
  std::vector<double>
      probabilities{};  // by class, in the order of spec().labels; empty of a regression
};
// One for each row of logits (N, K).
std::vector<Prediction> make_predictions(const at::Tensor& logits, const ModelSpec& spec);

// The checkpoint's spec; with `independent_layers`, under the schedule with that many first layers split. Throws UserError
// where the checkpoint's files do not belong together, and: out of range, a checkpoint of the pair format (its segments
// are not separate sequences), or pooling that could not see all segments.
ModelSpec spec_at(const std::filesystem::path& checkpoint,
                  std::optional<int64_t> independent_layers = {});

// A checkpoint that predicts: model and tokenizer as lait.yaml says.
class Predictor {
 public:
  // The weights under spec_at's spec. Throws UserError for everything that is wrong with the checkpoint.
  static Predictor load(const std::filesystem::path& checkpoint,
                        Precision precision = Precision::kAuto,
                        DeviceKind device = DeviceKind::kAuto,
                        std::optional<int64_t> independent_layers = {});

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
