// The batches of each optimiser step. Those of the next one are packed on another thread while the
// current one is computed; which batches a step has does not depend on it.
#pragma once
#include <cstdint>
#include <future>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/model/model.h"
#include "lait/predict/sequence_values.h"
#include "lait/ranks/ranks.h"
#include "train/distillation.h"
#include "train/step_part.h"

namespace lait {

// Where a training is: the next step, and its first batch in the epoch.
struct BatchPosition {
  int64_t step = 0, epoch = 0, batch = 0;
  bool operator==(const BatchPosition&) const = default;
};

struct StepBatches {
  StepPart part;
  // On the device.
  std::vector<DeviceBatch> micro_batches;
  // Of the step after this one.
  BatchPosition next;
};

class StepMaker {
 public:
  // All but the model outlive it. The model's weights may change, nothing else of it. `values`: of
  // what is frozen; null: all is computed. `distillation`: null: there are labels only.
  StepMaker(Model model, const Dataset& dataset, const TrainingConfig& config, const Ranks& ranks,
            SequenceValues* values = nullptr, const Distillation* distillation = nullptr);

  int64_t batches_of(int64_t epoch);
  // The step that begins there. Also computes what `values` lacks.
  StepBatches make(BatchPosition position);
  // Begins to make the step that the next make() asks for.
  void prepare(BatchPosition position);

 private:
  const std::vector<std::vector<int64_t>>& epoch(int64_t epoch);
  StepBatches made(BatchPosition position);
  StepBatches complete(StepBatches step);

  Model model_;
  const Dataset& dataset_;
  TrainingConfig config_;
  const Ranks& ranks_;
  SequenceValues* values_;
  const Distillation* distillation_;
  // Those that steps train, and what examples cost under them.
  struct Trained {
    Schedule schedule;
    ExampleCosts costs;
  };
  std::vector<Trained> trained_;
  std::vector<std::vector<int64_t>> epoch_batches_;  // of epoch_
  int64_t epoch_ = -1;
  BatchPosition prepared_;
  std::future<StepBatches> future_;  // of prepared_; uses what is above
};

// Which of so many schedules a step trains, all equally often: a function of (seed, step).
size_t schedule_of_step(size_t num_schedules, uint64_t seed, int64_t step);

// FLOPs of an example in training under `schedule`: forward, and as many for the gradients of what
// enters a layer, and of its weights, as far as they are computed. (Recomputation and adapters are
// not counted.) Weights: the head's.
ExampleCosts training_costs(const Model& model, const Dataset& dataset, const Schedule& schedule);

}  // namespace lait
