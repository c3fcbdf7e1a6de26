// Pooling and the classifier or regression layer on top, in float.
//
//   cls           pooler(first token of the example)                                   C
//   mean          mean of all rows of the example                                      C
//   segments      [u; v; |u - v|; u * v] of the final states                          4C
//   cls_segments  [cls; u; v; |u - v|; u * v]                                         5C
// u is the first segment's mean, v the mean of the other segments' means; in cls_segments cls is the first token's final
// state (without the pooler) and the means are of the states that enter the first example-scope stage (of the final states where
// that is the first stage, or there is none).
#pragma once
#include "lait/config/config.h"
#include "lait/model/bert.h"

namespace lait {

int64_t pooled_width(Pooling pooling, int64_t hidden_size);

class PoolingHeadImpl : public LinearImpl {
 public:
  PoolingHeadImpl(const HfConfig& config, Pooling pooling, int64_t num_outputs, double dropout);
  // (B, num_outputs) float
  at::Tensor forward(const EncoderStates& states, const DeviceBatch& batch, BertModelImpl& bert,
                     const Randomness& randomness);
  // N(0, initializer_range) weights drawn by the counter-based generator from the seed, zero bias.
  void initialise(uint64_t seed, double range);

 private:
  at::Tensor pooled(const EncoderStates& states, const DeviceBatch& batch, BertModelImpl& bert);

  Pooling pooling_;
  double dropout_;
};
TORCH_MODULE(PoolingHead);

}  // namespace lait
