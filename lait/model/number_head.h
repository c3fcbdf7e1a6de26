// What regression and relevance share: one output for each example, and numbers as labels.
#pragma once
#include "lait/model/pooling_head.h"

namespace lait {

class NumberHeadImpl : public PoolingHeadImpl {
 public:
  NumberHeadImpl(HeadKind kind, const HfConfig& config, const HeadOptions& options)
      : PoolingHeadImpl(kind, config, options, /*num_outputs=*/1), kind_(kind) {}
  // (B) float, NaN: none.
  at::Tensor labels(std::span<const Label> labels) const override;
  double label_value(const Label& label) const override;

 protected:
  // A prediction for each score (B, 1), a double tensor on the CPU.
  static std::vector<Prediction> predictions(const at::Tensor& scores);

 private:
  HeadKind kind_;
};

}  // namespace lait
