// T5 (arXiv 1910.10683; 1.1 and Flan-T5 are the gated, untied form): pre-norm layers with RMS norm,
// products without biases, scores without a scale and with a bucketed distance's bias, which the
// layers of a stack share. Modules are named as in transformers' T5Model, within "encoder." and
// "decoder."; q, k and v are one product (in cross-attention k and v), as are the two halves of a
// gated feed-forward.
#pragma once
#include "lait/model/decoder.h"
#include "lait/model/family.h"

namespace lait {

// x + dropout(wo(dropout(f(wi(norm(x)))))), f ReLU, or for a gated one gelu(wi_0 x) * (wi_1 x).
class T5FeedForwardImpl : public torch::nn::Module {
 public:
  T5FeedForwardImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor forward(const at::Tensor& x, const RowNames& rows, const Randomness& randomness);

 private:
  bool is_gated_;
  int64_t inner_;
  double dropout_;
  Linear in_{nullptr};     // "DenseReluDense.wi": (I, C), or wi_0 and wi_1: (2 I, C)
  Linear out_{nullptr};    // "DenseReluDense.wo": (C, I)
  RmsNorm norm_{nullptr};  // "layer_norm"
};
TORCH_MODULE(T5FeedForward);

// The self-attention of both stacks: "layer.0".
class T5AttentionImpl : public torch::nn::Module {
 public:
  T5AttentionImpl(const HfConfig& config, at::ScalarType compute_dtype);
  // (T, C) -> (T, 3 H D), (T, 2 H D) or (T, H D), as EncoderLayerImpl::project.
  at::Tensor project(const at::Tensor& x, Projections which, const RowNames& rows,
                     const Randomness& randomness);
  // residual + dropout(o(context))
  at::Tensor finish(const at::Tensor& context, const at::Tensor& residual, const RowNames& rows,
                    const Randomness& randomness);

 private:
  int64_t width_;  // H D
  double dropout_;
  Linear qkv_{nullptr};    // "SelfAttention.qkv"
  Linear out_{nullptr};    // "SelfAttention.o"
  RmsNorm norm_{nullptr};  // "layer_norm"
};
TORCH_MODULE(T5Attention);

class T5EncoderLayerImpl final : public EncoderLayerImpl {
 public:
  T5EncoderLayerImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor project(const at::Tensor& x, Projections which, const RowNames& rows,
                     const Randomness& randomness) override;
  at::Tensor finish(const at::Tensor& context, const at::Tensor& residual, const RowNames& rows,
                    const Randomness& randomness) override;

 private:
  T5Attention attention_{nullptr};       // "layer.0"
  T5FeedForward feed_forward_{nullptr};  // "layer.1"
};

class T5EncoderImpl final : public EncoderImpl {
 public:
  T5EncoderImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor embed(const DeviceBatch& batch, const Randomness& randomness) override;
  // (V, C) float leaf, which the decoder reads, too.
  const at::Tensor& embeddings() const { return shared_; }

 protected:
  ops::AttentionSpec attention_spec() const override { return spec_; }
  double attention_dropout() const override { return dropout_; }
  at::Tensor output(const at::Tensor& states, const RowNames& rows,
                    const Randomness& randomness) override;

 private:
  at::ScalarType compute_dtype_;
  double dropout_;
  ops::AttentionSpec spec_;
  at::Tensor shared_;      // "shared.weight"
  RmsNorm norm_{nullptr};  // "final_layer_norm"
};

// (buckets, H) float leaf, a stack's "relative_attention_bias.weight".
at::Tensor register_position_table(torch::nn::Module& stack, const HfConfig& config);

// `embeddings`: T5EncoderImpl's.
std::shared_ptr<DecoderImpl> make_t5_decoder(const HfConfig& config, const at::Tensor& embeddings,
                                             at::ScalarType compute_dtype);

}  // namespace lait
