// The relevance of a passage to a query: one logit, trained with the binary cross entropy; its
// sigmoid is the score by which passages are ranked. Labels are numbers from 0 to 1. (What
// sentence-transformers' CrossEncoder with one label computes.)
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sigmoid.h>

#include <algorithm>
#include <cmath>

#include "lait/base/error.h"
#include "lait/model/pooling_head.h"

namespace lait {
namespace {

class RelevanceImpl final : public PoolingHeadImpl {
 public:
  RelevanceImpl(const HfConfig& config, const HeadOptions& options)
      : PoolingHeadImpl(HeadKind::kRelevance, config, options, /*num_outputs=*/1) {}

  // (B) float, NaN: none.
  at::Tensor labels(std::span<const Label> labels) const override {
    const at::Tensor out = at::empty({std::ssize(labels)}, at::kFloat);
    std::ranges::transform(labels, out.mutable_data_ptr<float>(), [](const Label& label) {
      if (const auto* known = std::get_if<NumberLabel>(&label))
        return static_cast<float>(known->value);
      if (has_label(label)) throw UserError("a relevance takes numbers as labels, got others");
      return std::nanf("");
    });
    return out;
  }

  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    return at::binary_cross_entropy_with_logits(outputs.values.squeeze(1), batch.labels);
  }

  // In double: two passages of logits above 17 would have the same float.
  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor scores = at::sigmoid(outputs.values.to(at::kCPU, at::kDouble)).contiguous();
    const double* score = scores.const_data_ptr<double>();
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

HeadInfo relevance_head() {
  return {
      .kind = HeadKind::kRelevance,
      .labels = LabelKind::kRelevance,
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<RelevanceImpl>(config, options);
      }};
}

}  // namespace lait
