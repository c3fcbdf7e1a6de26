// The relevance of a passage to a query: one logit, trained with the binary cross entropy; its
// sigmoid is the score by which passages are ranked. Labels are numbers from 0 to 1. (What
// sentence-transformers' CrossEncoder with one label computes.)
#include <ATen/ops/binary_cross_entropy_with_logits.h>

#include <cmath>

#include "lait/model/number_head.h"

namespace lait {
namespace {

class RelevanceImpl final : public NumberHeadImpl {
 public:
  RelevanceImpl(const HfConfig& config, const HeadOptions& options)
      : NumberHeadImpl(HeadKind::kRelevance, config, options) {}

  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig&) const override {
    return at::binary_cross_entropy_with_logits(outputs.values.squeeze(1), batch.labels);
  }

  // The binary cross entropy to the teacher's sigmoid.
  at::Tensor soft_loss(const Outputs& outputs, const DeviceBatch&, const Outputs& teacher,
                       double temperature) const override {
    return at::binary_cross_entropy_with_logits(outputs.values / temperature,
                                                (teacher.values / temperature).sigmoid(), {}, {},
                                                at::Reduction::None)
               .squeeze(1) *
           (temperature * temperature);
  }

  // In double: two passages of logits above 17 would have the same float. One by one: the last bit
  // of LibTorch's sigmoid depends on the place in the tensor (vectors, and the rest behind them).
  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor scores = outputs.values.to(at::kCPU, at::kDouble).clone();
    auto* values = scores.mutable_data_ptr<double>();
    for (int64_t i = 0; i < scores.numel(); ++i) values[i] = 1 / (1 + std::exp(-values[i]));
    return predictions(scores);
  }
};

}  // namespace

HeadInfo relevance_head() {
  return {
      .kind = HeadKind::kRelevance,
      .labels = {LabelKind::kRelevance},
      .reads = pooling_reads,
      .problem_type = "multi_label_classification",
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<RelevanceImpl>(config, options);
      }};
}

}  // namespace lait
