// The regression: predicts one score, trained with the mean squared error.
#include <ATen/ops/empty.h>
#include <ATen/ops/mse_loss.h>

#include <algorithm>
#include <cmath>

#include "lait/base/error.h"
#include "lait/model/pooling_head.h"

namespace lait {
namespace {

class RegressionImpl final : public PoolingHeadImpl {
 public:
  RegressionImpl(const HfConfig& config, const HeadOptions& options)
      : PoolingHeadImpl(HeadKind::kRegression, config, options, /*num_outputs=*/1) {}

  // (B) float, NaN: none.
  at::Tensor labels(std::span<const Label> labels) const override {
    const at::Tensor out = at::empty({std::ssize(labels)}, at::kFloat);
    std::ranges::transform(labels, out.mutable_data_ptr<float>(), [](const Label& label) {
      if (const auto* known = std::get_if<NumberLabel>(&label))
        return static_cast<float>(known->value);
      if (has_label(label)) throw UserError("a regression takes numbers as labels, got others");
      return std::nanf("");
    });
    return out;
  }

  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    return at::mse_loss(outputs.values.squeeze(1), batch.labels);
  }

  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor scores = outputs.values.to(at::kCPU, at::kFloat).contiguous();
    const float* score = scores.const_data_ptr<float>();
    std::vector<Prediction> out(scores.size(0));
    for (Prediction& prediction : out) prediction.value = prediction.score = *score++;
    return out;
  }

  double label_value(const Label& label) const override {
    const auto* known = std::get_if<NumberLabel>(&label);
    if (known != nullptr && std::isfinite(known->value)) return known->value;
    throw UserError("evaluation needs a label, got none");
  }
};

}  // namespace

HeadInfo regression_head() {
  return {
      .kind = HeadKind::kRegression,
      .labels = LabelKind::kNumber,
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<RegressionImpl>(config, options);
      }};
}

}  // namespace lait
