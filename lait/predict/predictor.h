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
#include "lait/model/checkpoint.h"

namespace lait {

inline constexpr int64_t kEvaluationBatch = 64;  // examples

struct PredictOptions {
  // In examples; changes speed and memory, no result (on the CPU not a bit).
  int64_t batch_size = kEvaluationBatch;
  // Asked between batches; null: never.
  std::function<bool()> should_stop = {};
  // Told the number of examples done; null: nobody.
  std::function<void(int64_t)> on_progress = {};
};

// What the head puts out under `schedule`, float on the CPU, in the data set's order; nullopt where should_stop said so.
// Without gradients and dropout. Batches are of similar lengths, so the result is complete at the end only.
std::optional<Outputs> run_model(Model& model, const Dataset& dataset, const Schedule& schedule,
                                 const PredictOptions& options = {});

// Computes the first batch and throws it away, for what is measured after it: libraries are loaded, memory is there.
void warm_up(Model& model, const Dataset& dataset, const Schedule& schedule, int64_t batch_size);

// A checkpoint that predicts: model and tokenizer as lait.yaml says.
class Predictor {
 public:
  // At the checkpoint's P, or another (spec_at). Throws UserError for everything that is wrong with the checkpoint.
  static Predictor load(const std::filesystem::path& checkpoint,
                        Precision precision = Precision::kAuto,
                        DeviceKind device = DeviceKind::kAuto,
                        std::optional<int64_t> independent_layers = {});

  // One example; many at once are faster through outputs(). Throws as check_example does.
  Prediction predict(std::vector<std::string> segments);

  Dataset tokenize(std::span<const Example> examples) const;
  // Of a data set that tokenize() made, in its order; nullopt where options.should_stop said so.
  std::optional<Outputs> outputs(const Dataset& dataset, const PredictOptions& options = {});
  std::optional<Outputs> outputs(std::span<const Example> examples,
                                 const PredictOptions& options = {});

  Model& model() { return model_; }
  const ModelSpec& spec() const { return model_->spec; }

 private:
  Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer);

  Model model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace lait
