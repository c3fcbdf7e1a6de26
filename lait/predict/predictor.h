// lait/predict/: from texts to scores.
//
// The one code path from a tokenized data set to logits: evaluation while training, lait-eval,
// lait-predict, and programs that use the library:
//
//   lait::Predictor predictor = lait::Predictor::load("runs/sick");
//   const lait::Prediction p = predictor.predict({"A man sleeps.", "Somebody is asleep."});
//   // p.label, p.score
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
#include "lait/predict/answers.h"
#include "lait/predict/sequence_values.h"
#include "lait/predict/valued_outputs.h"
#include "lait/ranks/ranks.h"

namespace lait {

inline constexpr int64_t kEvaluationBatch = 64;  // examples

struct PredictOptions {
  // In examples. Affects speed and memory, but no result (on the CPU not one bit).
  int64_t batch_size = kEvaluationBatch;
  // Called between batches; true stops. May be null.
  std::function<bool()> should_stop = {};
  // Called with the number of examples done. May be null.
  std::function<void(int64_t)> on_progress = {};
  // Of what the model's lower part makes of the data set's sequences. Null: all is computed.
  SequenceValues* values = nullptr;
  // Each rank computes a part, and all get the whole. Null: this process computes all.
  Ranks* ranks = nullptr;
};

// The head's outputs under `schedule`, float on the CPU, in the data set's order; nullopt if
// should_stop returned true. Runs without gradients and dropout. Batches have similar lengths, so
// the result is complete only at the end.
std::optional<Outputs> run_model(Model& model, const Dataset& dataset, const Schedule& schedule,
                                 const PredictOptions& options = {});

// Computes the first batch and discards it, so that what is measured afterwards excludes loading
// libraries and the first allocations.
void warm_up(Model& model, const Dataset& dataset, const Schedule& schedule, int64_t batch_size);

struct GeneratedText {
  std::string text;
  // Whether the logits that it was chosen from were finite.
  bool is_finite = true;
};

// A checkpoint that predicts: its model and tokenizer, used as lait.yaml says.
class Predictor {
 public:
  // Of a model on its device.
  Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer);
  // From a checkpoint or a run directory (its best/), at the checkpoint's P, or another (spec_at).
  // Throws UserError for anything that is wrong with the checkpoint.
  static Predictor load(const std::filesystem::path& checkpoint_or_run,
                        Precision precision = Precision::kAuto,
                        DeviceKind device = DeviceKind::kAuto,
                        std::optional<int64_t> independent_layers = {});

  // One example; outputs() is faster for many. Of an extractive model the label is the answer, ""
  // for none. Throws as check_example does.
  Prediction predict(std::vector<std::string> segments);

  // The answers to the questions of an extractive model's data set from tokenize(); nullopt as
  // outputs().
  std::optional<std::vector<Answer>> answers(const Dataset& dataset,
                                             const PredictOptions& options = {});

  Dataset tokenize(std::span<const Example> examples) const;
  // For a data set from tokenize(), in its order; nullopt if options.should_stop returned true.
  std::optional<Outputs> outputs(const Dataset& dataset, const PredictOptions& options = {});
  std::optional<Outputs> outputs(std::span<const Example> examples,
                                 const PredictOptions& options = {});

  // From now on valued_outputs() and predict() take what segments become before the join from the
  // store, compute what it lacks, and add that to it. The weights may not change any more.
  // Throws UserError for a model whose segments are not computed apart.
  void use_store(StoreUse use);
  // Null before use_store.
  SegmentValues* values() { return values_.get(); }
  // Through the store, in the order of the examples; nullopt as outputs(). A hit needs no
  // tokenizing. REQUIRES: use_store was called. Throws TooLong, and as SegmentValues::of does.
  std::optional<ValuedOutputs> valued_outputs(std::span<const Example> examples,
                                              const PredictOptions& options = {});

  // What a model with a decoder writes for each example, without special tokens: the most probable
  // token, one after the other, at most `max_new_tokens`. nullopt as outputs(). REQUIRES: the
  // model's head needs a decoder; options.ranks is null.
  std::optional<std::vector<GeneratedText>> generate(const Dataset& dataset, int64_t max_new_tokens,
                                                     const PredictOptions& options = {});

  TokenizeOptions tokenize_options() const;
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  Model& model() { return model_; }
  const ModelSpec& spec() const { return model_->spec; }

 private:
  Model model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<SegmentValues> values_;
};

}  // namespace lait
