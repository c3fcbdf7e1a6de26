// What classifier and regression share: features pooled from the encoder's states, and a linear
// layer on top, in float.
//
//   cls           the family's own head on the example's first row: BERT's pooler             C
//   mean          mean of all rows of the example                                            C
//   segments      [u; v; |u - v|; u * v] of the final states                                4C
//   cls_segments  [cls; u; v; |u - v|; u * v]                                               5C
//
// u is the first segment's mean, v the mean of the other segments' means. In cls_segments, cls is
// the first row's final state (without a pooler), and the means are of the states at the join
// (Reads::Means::kAtJoin).
#pragma once
#include "lait/model/head.h"

namespace lait {

Reads pooling_reads(Pooling pooling);

class PoolingHeadImpl : public HeadImpl {
 public:
  PoolingHeadImpl(HeadKind kind, const HfConfig& config, const HeadOptions& options,
                  int64_t num_outputs);
  Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                  const Randomness& randomness) override;
  void initialise(uint64_t seed, double range) override;
  void reorder_outputs(const std::vector<int64_t>& order) override;
  const HeadTensors& tensors() const override { return tensors_; }
  at::Tensor output_weight() const override { return output_->weight; }
  int64_t saved_floats() const override;

 private:
  at::Tensor pooled(const EncoderStates& states, const DeviceBatch& batch,
                    const Randomness& randomness);
  at::Tensor dropped(const at::Tensor& x, const DeviceBatch& batch, const Randomness& randomness,
                     kernels::Site site);

  Pooling pooling_;
  int64_t hidden_size_;
  double dropout_;
  HeadTensors tensors_;
  Linear dense_{nullptr};  // (C, C), then tanh; only if the family's head has it
  Linear output_{nullptr};
};

}  // namespace lait
