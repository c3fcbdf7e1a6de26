#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/zeros.h>

#include "lait/model/t5.h"

namespace lait {
namespace {

using kernels::Site;

at::Tensor dropped(const at::Tensor& x, const std::optional<at::Tensor>& residual,
                   const RowNames& rows, const kernels::Dropout& dropout) {
  return ops::dropout_add(x, residual, rows.unit_ids, rows.positions, dropout);
}

}  // namespace

T5FeedForwardImpl::T5FeedForwardImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : is_gated_(config.gated_feed_forward),
      inner_(config.intermediate_size),
      dropout_(config.hidden_dropout_prob) {
  const auto dense = add_child(*this, "DenseReluDense");
  in_ = dense->register_module(is_gated_ ? "wi_0_1" : "wi",
                               Linear(config.hidden_size, is_gated_ ? 2 * inner_ : inner_,
                                      compute_dtype, /*has_bias=*/false));
  out_ = dense->register_module(
      "wo", Linear(inner_, config.hidden_size, compute_dtype, /*has_bias=*/false));
  norm_ = register_module("layer_norm", RmsNorm(config.hidden_size, config.layer_norm_eps));
}

at::Tensor T5FeedForwardImpl::forward(const at::Tensor& x, const RowNames& rows,
                                      const Randomness& randomness) {
  const kernels::Dropout dropout = randomness.at(dropout_, Site::kFfnInner);
  at::Tensor inner = in_->adapted(x, rows, randomness, norm_->of_input());
  if (is_gated_) {
    inner = at::gelu(inner.narrow(1, 0, inner_), "tanh") * inner.narrow(1, inner_, inner_);
    inner = dropped(inner, std::nullopt, rows, dropout);
  } else {
    inner = ops::relu_dropout(inner, rows.unit_ids, rows.positions, dropout);
  }
  return dropped(out_->adapted(inner, rows, randomness), x, rows,
                 randomness.at(dropout_, Site::kFfnOutput));
}

T5AttentionImpl::T5AttentionImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : width_(config.num_attention_heads * config.head_dim), dropout_(config.hidden_dropout_prob) {
  const auto attention = add_child(*this, "SelfAttention");
  qkv_ = attention->register_module(
      "qkv", Linear(config.hidden_size, 3 * width_, compute_dtype, /*has_bias=*/false));
  out_ = attention->register_module(
      "o", Linear(width_, config.hidden_size, compute_dtype, /*has_bias=*/false));
  norm_ = register_module("layer_norm", RmsNorm(config.hidden_size, config.layer_norm_eps));
}

at::Tensor T5AttentionImpl::project(const at::Tensor& x, Projections which, const RowNames& rows,
                                    const Randomness& randomness) {
  return fused_projections(*qkv_, x, which, rows, randomness, norm_->of_input());
}

at::Tensor T5AttentionImpl::finish(const at::Tensor& context, const at::Tensor& residual,
                                   const RowNames& rows, const Randomness& randomness) {
  return dropped(out_->adapted(context, rows, randomness), residual, rows,
                 randomness.at(dropout_, Site::kAttentionOutput));
}

T5EncoderLayerImpl::T5EncoderLayerImpl(const HfConfig& config, at::ScalarType compute_dtype) {
  const auto layer = add_child(*this, "layer");
  attention_ = layer->register_module("0", T5Attention(config, compute_dtype));
  feed_forward_ = layer->register_module("1", T5FeedForward(config, compute_dtype));
}

at::Tensor T5EncoderLayerImpl::project(const at::Tensor& x, Projections which, const RowNames& rows,
                                       const Randomness& randomness) {
  return attention_->project(x, which, rows, randomness);
}

at::Tensor T5EncoderLayerImpl::finish(const at::Tensor& context, const at::Tensor& residual,
                                      const RowNames& rows, const Randomness& randomness) {
  return feed_forward_(attention_->finish(context, residual, rows, randomness), rows, randomness);
}

at::Tensor register_position_table(torch::nn::Module& stack, const HfConfig& config) {
  return add_child(stack, "relative_attention_bias")
      ->register_parameter(
          "weight", at::zeros({config.position_buckets, config.num_attention_heads}, at::kFloat));
}

T5EncoderImpl::T5EncoderImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : compute_dtype_(compute_dtype),
      dropout_(config.hidden_dropout_prob),
      spec_{.heads = config.num_attention_heads, .head_dim = config.head_dim, .scale = 1} {
  shared_ = add_child(*this, "shared")
                ->register_parameter(
                    "weight", at::zeros({config.vocab_size, config.hidden_size}, at::kFloat));
  spec_.bias = {.table = register_position_table(*this, config),
                .max_distance = config.position_distance};
  const auto list = add_child(*this, "block");
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    layers_.push_back(list->register_module(
        std::to_string(l), std::make_shared<T5EncoderLayerImpl>(config, compute_dtype)));
  }
  norm_ = register_module("final_layer_norm", RmsNorm(config.hidden_size, config.layer_norm_eps));
}

at::Tensor T5EncoderImpl::embed(const DeviceBatch& batch, const Randomness& randomness) {
  const PackedBatch& packed = batch.packed;
  TORCH_CHECK(packed.token_ids.size > 0 || packed.levels[0].num_rows == 0,
              "T5Encoder: the batch was packed without tokens");
  const Level& level = packed.levels[0];
  return dropped(at::embedding(shared_, batch.view(packed.token_ids)).to(compute_dtype_),
                 std::nullopt, {batch.view(level.row_unit_ids), batch.view(level.row_positions)},
                 randomness.at(dropout_, Site::kEmbedding));
}

at::Tensor T5EncoderImpl::output(const at::Tensor& states, const RowNames& rows,
                                 const Randomness& randomness) {
  return dropped(norm_(states), std::nullopt, rows, randomness.at(dropout_, Site::kFinal));
}

}  // namespace lait
