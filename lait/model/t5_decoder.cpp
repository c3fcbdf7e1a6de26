// T5's decoder: causal self-attention with a bias of its own, cross-attention without one.
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>

#include "lait/model/t5.h"

namespace lait {
namespace {

using kernels::Site;

// x + dropout(o(attention of q(norm(x)) to the encoder's keys and values)): "layer.1".
class T5CrossAttentionImpl : public torch::nn::Module {
 public:
  T5CrossAttentionImpl(const HfConfig& config, at::ScalarType compute_dtype)
      : heads_(config.num_attention_heads),
        head_dim_(config.head_dim),
        dropout_(config.hidden_dropout_prob) {
    const int64_t width = heads_ * head_dim_, hidden = config.hidden_size;
    const auto attention = add_child(*this, "EncDecAttention");
    const auto product = [&](const char* name, int64_t in, int64_t out) {
      return attention->register_module(name, Linear(in, out, compute_dtype, /*has_bias=*/false));
    };
    query_ = product("q", hidden, width);
    keys_values_ = product("kv", hidden, 2 * width);
    out_ = product("o", width, hidden);
    norm_ = register_module("layer_norm", RmsNorm(hidden, config.layer_norm_eps));
  }

  at::Tensor keys_values(const at::Tensor& states, const RowNames& rows,
                         const Randomness& randomness) {
    return keys_values_->adapted(states, rows, randomness);
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& keys_values, const DecoderRows& rows,
                     const Randomness& randomness) {
    const at::Tensor q = query_->adapted(x, rows.names, randomness, norm_->of_input());
    const at::Tensor context = ops::segment_attention_kvpacked(
        q.view({-1, heads_, head_dim_}), keys_values.view({-1, 2, heads_, head_dim_}),
        rows.examples, {.heads = heads_, .head_dim = head_dim_, .scale = 1},
        randomness.at(dropout_, Site::kCrossAttention));
    return ops::dropout_add(
        out_->adapted(context.view({-1, heads_ * head_dim_}), rows.names, randomness), x,
        rows.names.unit_ids, rows.names.positions,
        randomness.at(dropout_, Site::kCrossAttentionOutput));
  }

 private:
  int64_t heads_, head_dim_;
  double dropout_;
  Linear query_{nullptr}, keys_values_{nullptr}, out_{nullptr};
  RmsNorm norm_{nullptr};
};
TORCH_MODULE(T5CrossAttention);

class T5DecoderLayerImpl : public torch::nn::Module {
 public:
  T5DecoderLayerImpl(const HfConfig& config, at::ScalarType compute_dtype) {
    const auto layer = add_child(*this, "layer");
    attention = layer->register_module("0", T5Attention(config, compute_dtype));
    cross = layer->register_module("1", T5CrossAttention(config, compute_dtype));
    feed_forward = layer->register_module("2", T5FeedForward(config, compute_dtype));
  }

  T5Attention attention{nullptr};
  T5CrossAttention cross{nullptr};
  T5FeedForward feed_forward{nullptr};
};
TORCH_MODULE(T5DecoderLayer);

// The output layer: a leaf of its own, or the embeddings.
class OutputLayerImpl : public torch::nn::Module, public Shadowed {
 public:
  OutputLayerImpl(const at::Tensor& weight, at::ScalarType compute_dtype)
      : weight_(weight), compute_dtype_(compute_dtype) {}
  at::Tensor forward(const at::Tensor& x) { return ops::linear(x, weight_, {}, shadow_, {}); }
  void refresh_shadows() override { refresh_shadow(shadow_, weight_, compute_dtype_); }
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor weight_, shadow_;
  at::ScalarType compute_dtype_;
};
TORCH_MODULE(OutputLayer);

class T5DecoderImpl final : public DecoderImpl {
 public:
  T5DecoderImpl(const HfConfig& config, const at::Tensor& embeddings, at::ScalarType compute_dtype)
      : compute_dtype_(compute_dtype),
        dropout_(config.hidden_dropout_prob),
        first_layer_(config.num_hidden_layers),
        output_scale_(
            config.tied_embeddings ? 1 / std::sqrt(static_cast<double>(config.hidden_size)) : 1),
        shared_(embeddings),
        spec_{.heads = config.num_attention_heads,
              .head_dim = config.head_dim,
              .scale = 1,
              .causal = true} {
    spec_.bias = {.table = register_position_table(*this, config),
                  .max_distance = config.position_distance,
                  .bidirectional = false};
    const auto list = add_child(*this, "block");
    for (int64_t l = 0; l < config.num_decoder_layers; ++l) {
      layers_.push_back(
          list->register_module(std::to_string(l), T5DecoderLayer(config, compute_dtype)));
    }
    norm_ = register_module("final_layer_norm", RmsNorm(config.hidden_size, config.layer_norm_eps));
    at::Tensor weight = shared_;
    if (!config.tied_embeddings) {
      weight = add_child(*this, "lm_head")->register_parameter("weight", at::zeros_like(shared_));
    }
    output_ = register_module("output_layer", OutputLayer(weight, compute_dtype));
  }

  std::vector<at::Tensor> cross_keys_values(const at::Tensor& encoder_states, const RowNames& rows,
                                            const Randomness& randomness) override {
    std::vector<at::Tensor> out;
    for (size_t l = 0; l < layers_.size(); ++l)
      out.push_back(layers_[l]->cross->keys_values(encoder_states, rows, of_layer(randomness, l)));
    return out;
  }

  at::Tensor forward(const DecoderRows& rows, const std::vector<at::Tensor>& cross,
                     const Randomness& randomness, DecoderPast* past) override {
    const RowNames& names = rows.names;
    const auto dropped = [&](const at::Tensor& x, Site site) {
      return ops::dropout_add(x, std::nullopt, names.unit_ids, names.positions,
                              of_layer(randomness, 0).at(dropout_, site));
    };
    at::Tensor x =
        dropped(at::embedding(shared_, rows.token_ids).to(compute_dtype_), Site::kEmbedding);
    if (past != nullptr) past->keys_values.resize(layers_.size());
    for (size_t l = 0; l < layers_.size(); ++l) {
      T5DecoderLayerImpl& layer = *layers_[l];
      const Randomness keyed = of_layer(randomness, l);
      const at::Tensor qkv = layer.attention->project(x, Projections::kAll, names, keyed);
      const at::Tensor context =
          attended(qkv, rows, keyed, past != nullptr ? &past->keys_values[l] : nullptr);
      x = layer.attention->finish(context, x, names, keyed);
      x = layer.cross->forward(x, cross[l], rows, keyed);
      x = layer.feed_forward(x, names, keyed);
    }
    return dropped(norm_(x), Site::kFinal);
  }

  at::Tensor logits(const at::Tensor& states) override {
    return output_(output_scale_ == 1 ? states : states * output_scale_).to(at::kFloat);
  }
  at::Tensor output_weight() const override { return output_->weight(); }

 private:
  // The dropout keys of the layers go on behind the encoder's.
  Randomness of_layer(const Randomness& randomness, size_t layer) const {
    return randomness.of_layer(first_layer_ + static_cast<int64_t>(layer));
  }

  at::Tensor attended(const at::Tensor& qkv, const DecoderRows& rows, const Randomness& randomness,
                      at::Tensor* past) const {
    const int64_t heads = spec_.heads, dim = spec_.head_dim, width = heads * dim;
    const kernels::Dropout dropout = randomness.at(dropout_, Site::kAttention);
    if (past == nullptr) {
      return ops::segment_attention_qkvpacked(qkv.view({-1, 3, heads, dim}), rows.sequences, spec_,
                                              dropout)
          .view({-1, width});
    }
    const int64_t sequences = rows.sequences.q_offsets.size(0) - 1;
    const at::Tensor made = qkv.narrow(0, 0, sequences).narrow(1, width, 2 * width).unsqueeze(1);
    *past = past->defined() ? at::cat({*past, made}, 1) : made.contiguous();
    return ops::segment_attention_kvpacked(qkv.narrow(1, 0, width).view({-1, heads, dim}),
                                           past->view({-1, 2, heads, dim}), rows.sequences, spec_,
                                           dropout)
        .view({-1, width});
  }

  at::ScalarType compute_dtype_;
  double dropout_;
  int64_t first_layer_;
  double output_scale_;
  at::Tensor shared_;
  ops::AttentionSpec spec_;
  std::vector<T5DecoderLayer> layers_;
  RmsNorm norm_{nullptr};
  OutputLayer output_{nullptr};
};

}  // namespace

std::shared_ptr<DecoderImpl> make_t5_decoder(const HfConfig& config, const at::Tensor& embeddings,
                                             at::ScalarType compute_dtype) {
  return std::make_shared<T5DecoderImpl>(config, embeddings, compute_dtype);
}

}  // namespace lait
