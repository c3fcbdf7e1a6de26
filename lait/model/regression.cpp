// The regression: predicts one score, trained with the mean squared error.
#include <ATen/ops/mse_loss.h>

#include "lait/model/number_head.h"

namespace lait {
namespace {

class RegressionImpl final : public NumberHeadImpl {
 public:
  RegressionImpl(const HfConfig& config, const HeadOptions& options)
      : NumberHeadImpl(HeadKind::kRegression, config, options) {}

  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    return at::mse_loss(outputs.values.squeeze(1), batch.labels);
  }

  // The squared error to the teacher's score.
  at::Tensor soft_loss(const Outputs& outputs, const DeviceBatch&, const Outputs& teacher,
                       double) const override {
    return (outputs.values - teacher.values).square().squeeze(1);
  }

  std::vector<Prediction> predict(const Outputs& outputs) const override {
    return predictions(outputs.values.to(at::kCPU, at::kDouble));
  }
};

}  // namespace

HeadInfo regression_head() {
  return {
      .kind = HeadKind::kRegression,
      .labels = {LabelKind::kNumber},
      .soft_labels = SoftLabels::kNumbers,
      .reads = pooling_reads,
      .problem_type = "regression",
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<RegressionImpl>(config, options);
      }};
}

}  // namespace lait
