#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <map>

#include "train/update_rule.h"

namespace lait {
namespace {

class AdamW final : public UpdateRule {
 public:
  explicit AdamW(const TrainingConfig& config)
      : beta1_(config.beta1.value_or(kDefaultBeta1)),
        beta2_(config.beta2.value_or(kDefaultBeta2)),
        epsilon_(config.epsilon.value_or(kDefaultEpsilon)) {}

  const char* name() const override { return "AdamW"; }

  NamedState state_of(const ModelParameter& parameter) const override {
    const at::Tensor like = parameter.tensor.detach();
    return {{"exp_avg", at::zeros_like(like)},
            {"exp_avg_sq", at::zeros_like(like)},
            {"updates", at::zeros({}, like.options().dtype(at::kFloat))}};
  }

  void update(std::span<TrainedParameter* const> parameters, double factor,
              const StepScalars& scalars) const override {
    // The tensors of one learning rate and decay, for one call.
    struct Lists {
      std::vector<at::Tensor> parameters, gradients, exp_avg, exp_avg_sq, updates;
    };
    std::map<std::pair<double, double>, Lists> groups;
    for (const TrainedParameter* parameter : parameters) {
      Lists& lists = groups[{parameter->learning_rate, parameter->weight_decay}];
      lists.parameters.push_back(parameter->leaf.tensor);
      lists.gradients.push_back(parameter->leaf.tensor.grad());
      lists.exp_avg.push_back(parameter->state[0].second);
      lists.exp_avg_sq.push_back(parameter->state[1].second);
      lists.updates.push_back(parameter->state[2].second);
    }
    const at::Tensor skipped = 1 - scalars.changed;
    for (auto& [rates, lists] : groups) {
      at::_foreach_add_(lists.updates, scalars.changed);
      at::_fused_adamw_(lists.parameters, lists.gradients, lists.exp_avg, lists.exp_avg_sq,
                        /*max_exp_avg_sqs=*/{}, lists.updates, rates.first * factor, beta1_, beta2_,
                        rates.second, epsilon_, /*amsgrad=*/false, /*maximize=*/false,
                        scalars.divisor, /*found_inf=*/skipped);
    }
  }

 private:
  double beta1_, beta2_, epsilon_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_adamw(const TrainingConfig& config) {
  return std::make_unique<AdamW>(config);
}

}  // namespace lait
