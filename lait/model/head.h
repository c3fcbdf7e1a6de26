// Heads, as tasks are: one file each, found through the one list in heads.cpp. A head says what it reads of the encoder,
// makes outputs of it, their loss, and predictions. Nobody else names a head or a pooling.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/model/encoder.h"
#include "lait/model/family.h"

namespace lait {

// What a head puts out for the examples of a batch or a data set, in their order.
struct Outputs {
  // (N, K) float: a row for each example; or (rows of all examples, K) where offsets are given.
  at::Tensor values;
  // (N + 1) where each example's rows begin; empty: one row each.
  std::vector<int64_t> offsets = {};

  int64_t num_examples() const {
    return offsets.empty() ? values.size(0) : static_cast<int64_t>(offsets.size()) - 1;
  }
};

// What the model says of one example.
struct Prediction {
  // The most probable class; "" of a regression.
  std::string label{};
  // Its probability; a regression's score.
  double score = 0;
  // By class, in the order of the labels; empty of a regression.
  std::vector<double> probabilities{};
  // What metrics compare: the class's index, or the score.
  double value = 0;
};

struct HeadOptions {
  Pooling pooling{};
  // Classes by index; empty of a regression.
  std::vector<std::string> labels;
};

class HeadImpl : public torch::nn::Module {
 public:
  virtual Reads reads() const = 0;
  // Of the batch's examples; (B, K) float.
  virtual Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                          const Randomness& randomness) = 0;
  // Labels as `loss` takes them, on the host. Throws UserError for labels of another kind.
  virtual at::Tensor labels(std::span<const Label> labels) const = 0;
  // A scalar, float; batch.labels as `labels` made them.
  virtual at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                          const TrainingConfig& config) const = 0;
  virtual std::vector<Prediction> predict(const Outputs& outputs) const = 0;
  // A label as metrics compare it with Prediction::value. Throws UserError "…got …" for a label that is none of this head's.
  virtual double label_value(const Label& label) const = 0;
  // How checkpoints hold it.
  virtual const HeadTensors& tensors() const = 0;
  // New weights, drawn from the seed.
  virtual void initialise(uint64_t seed, double range) = 0;
  // Its output layer's weight, (outputs, features): another head's has another shape.
  virtual at::Tensor output_weight() const = 0;
  // Floats that forward saves for backward, for each example.
  virtual int64_t saved_floats() const = 0;
};

struct HeadInfo {
  HeadKind kind;
  // Of the examples that it is trained on.
  LabelKind labels;
  bool needs_decoder = false;
  std::shared_ptr<HeadImpl> (*make)(const HfConfig& config, const HeadOptions& options);
};

// The list, in the order of preference for a kind of label.
const std::vector<HeadInfo>& all_heads();
const HeadInfo& find_head(HeadKind kind);
// The default for a task.
HeadKind head_for(LabelKind labels);

// Throws UserError where a head with that pooling would not see all of an example's segments.
void check_pooling(Pooling pooling, const Schedule& schedule, bool several_segments);

}  // namespace lait
