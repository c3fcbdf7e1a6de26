// A family's decoder. Its rows are those of target sequences (target_rows.h): a row sees the
// earlier rows of its sequence, and every encoder row of its example.
#pragma once
#include <vector>

#include "lait/model/layers.h"
#include "lait/ops/ops.h"

namespace lait {

// Who sees whom: (R) rows of S sequences of B examples.
struct DecoderRows {
  at::Tensor token_ids;                // (R) int32 that the rows read
  ops::AttentionUnits sequences = {};  // S units: the earlier rows of a sequence
  ops::AttentionUnits examples = {};   // B units: an example's rows, and its encoder's
  RowNames names;                      // (R)
};

// Self-attention's keys and values so far, of each layer (S, rows, 2 H D): for decoding row by row.
struct DecoderPast {
  std::vector<at::Tensor> keys_values;
};

class DecoderImpl : public torch::nn::Module {
 public:
  // Of the encoder's output (T, C), before it is brought into the examples' order.
  virtual std::vector<at::Tensor> cross_keys_values(const at::Tensor& encoder_states,
                                                    const RowNames& rows,
                                                    const Randomness& randomness) = 0;
  // The states (R, C) that `logits` takes. With `past` the rows are one more of each of the S
  // sequences, in their order, and are appended to it.
  virtual at::Tensor forward(const DecoderRows& rows, const std::vector<at::Tensor>& cross,
                             const Randomness& randomness, DecoderPast* past = nullptr) = 0;
  // (R, C) -> (R, V) float.
  virtual at::Tensor logits(const at::Tensor& states) = 0;
  // The weight of that product, (V, C).
  virtual at::Tensor output_weight() const = 0;
};

// The encoder's side of the cross-attentions: each layer's keys and values in the order of the
// examples, and the rows of each example among them, (B + 1) int32.
struct CrossKeys {
  std::vector<at::Tensor> keys_values;
  at::Tensor offsets;
};
// Of the output of an encoder whose head reads all rows. They are projected once for each row that
// the encoder has, however many examples share it.
CrossKeys cross_keys(DecoderImpl& decoder, const at::Tensor& encoder_states,
                     const DeviceBatch& batch, const Randomness& randomness);

}  // namespace lait
