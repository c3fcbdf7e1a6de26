// How an optimiser changes parameters by their gradients: AdamW, Adafactor.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lait/config/config.h"
#include "lait/model/model.h"

namespace lait {

// Names as checkpoints have them before the parameter's, "exp_avg", and float tensors.
using NamedState = std::vector<std::pair<const char*, at::Tensor>>;

// A parameter that is updated.
struct TrainedParameter {
  ModelParameter leaf;
  double learning_rate = 0, weight_decay = 0;
  NamedState state;
};

// What is true of a whole step: float scalars on the parameters' device, which the host does not
// read.
struct StepScalars {
  // Gradients are divided by it (clipping).
  std::optional<at::Tensor> divisor;
  // 1; or 0, for a gradient is not finite: then nothing changes, neither parameters nor state.
  at::Tensor changed;
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // For messages: "AdamW".
  virtual const char* name() const = 0;
  // What it keeps for a parameter, before the first step, on the parameter's device.
  virtual NamedState state_of(const ModelParameter& parameter) const = 0;
  // Changes the parameters, all of which have gradients, and their state. `factor`: of the learning
  // rates in this step. What the gradients are afterwards is not specified. REQUIRES: no gradients
  // are recorded.
  virtual void update(std::span<TrainedParameter* const> parameters, double factor,
                      const StepScalars& scalars) const = 0;
};

std::unique_ptr<UpdateRule> make_update_rule(const TrainingConfig& config);
// AdamW (arXiv 1711.05101), fused, with a decay that is decoupled.
std::unique_ptr<UpdateRule> make_adamw(const TrainingConfig& config);
// Adafactor (arXiv 1804.04235) as T5 uses it: transformers.Adafactor with relative_step off,
// scale_parameter on, and no first moment. A parameter takes about 40 small operators.
std::unique_ptr<UpdateRule> make_adafactor();

// state_of, with shapes and types only (on the meta device), and its bytes.
NamedState state_without_data(const UpdateRule& rule, const ModelParameter& parameter);
int64_t state_bytes(const UpdateRule& rule, const ModelParameter& parameter);

}  // namespace lait
