// A family unlike BERT in everything: H * D is not C, layers are pre-norm with RMS norm and a gated
// feed-forward, there are no positions, token types or biases in norms, and segments have special
// tokens in a layout of its own. Code that works for it assumes no family's shape. Only tests see
// this.
#pragma once
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>

#include "lait/model/family.h"

namespace lait {

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor rows = x.to(at::kFloat);
  const at::Tensor scale = (rows.pow(2).mean(-1, /*keepdim=*/true) + 1e-6).rsqrt();
  return (rows * scale * weight).to(x.scalar_type());
}

class ToyLayer final : public EncoderLayerImpl {
 public:
  ToyLayer(const HfConfig& config, at::ScalarType dtype)
      : width_(config.num_attention_heads * config.head_dim), inner_(config.intermediate_size) {
    const int64_t c = config.hidden_size;
    qkv_ = register_module("qkv", Linear(c, 3 * width_, dtype));
    out_ = register_module("out", Linear(width_, c, dtype));
    gate_up_ = register_module("gate_up", Linear(c, 2 * inner_, dtype));
    down_ = register_module("down", Linear(inner_, c, dtype));
    norm1_ = register_parameter("norm1", at::ones({c}));
    norm2_ = register_parameter("norm2", at::ones({c}));
  }
  at::Tensor project(const at::Tensor& x, Projections which, const RowNames& rows,
                     const Randomness& randomness) override {
    const at::Tensor normed = rms_norm(x, norm1_);
    switch (which) {
      case Projections::kAll:
        return qkv_->adapted(normed, rows, randomness);
      case Projections::kKeysValues:
        return qkv_->outputs(normed, rows, randomness, width_, 2 * width_);
      case Projections::kQueries:
        return qkv_->outputs(normed, rows, randomness, 0, width_);
    }
    TORCH_CHECK(false, "unknown projections");
  }
  at::Tensor finish(const at::Tensor& context, const at::Tensor& residual, const RowNames&,
                    const Randomness&) override {
    const at::Tensor x = residual + out_(context);
    const at::Tensor both = gate_up_(rms_norm(x, norm2_));
    return x + down_((at::gelu(both.narrow(1, 0, inner_)) * both.narrow(1, inner_, inner_)));
  }

 private:
  int64_t width_, inner_;
  Linear qkv_{nullptr}, out_{nullptr}, gate_up_{nullptr}, down_{nullptr};
  at::Tensor norm1_, norm2_;
};

class ToyEncoder final : public EncoderImpl {
 public:
  ToyEncoder(const HfConfig& config, at::ScalarType dtype)
      : dtype_(dtype), heads_(config.num_attention_heads), head_dim_(config.head_dim) {
    words_ = register_parameter("words", at::zeros({config.vocab_size, config.hidden_size}));
    for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
      layers_.push_back(
          register_module("block" + std::to_string(l), std::make_shared<ToyLayer>(config, dtype)));
    }
  }
  at::Tensor embed(const DeviceBatch& batch, const Randomness&) override {
    return at::embedding(words_, batch.view(batch.packed.token_ids)).to(dtype_);
  }

 protected:
  ops::AttentionSpec attention_spec() const override {
    return {.heads = heads_, .head_dim = head_dim_, .scale = 1};
  }
  double attention_dropout() const override { return 0; }

 private:
  at::ScalarType dtype_;
  int64_t heads_, head_dim_;
  at::Tensor words_;
};

class ToyFamily final : public Family {
 public:
  std::string model_type() const override { return "toy"; }
  void read_config(ConfigFields& fields, HfConfig& c) const override {
    c.vocab_size = fields.count("vocab", 1000);
    c.hidden_size = fields.count("width", 1000);
    c.num_hidden_layers = fields.count("depth", 100);
    c.num_attention_heads = fields.count("heads", 100);
    c.head_dim = fields.count("head_dim", 128);
    c.intermediate_size = fields.count("inner", 1000);
    c.max_tokens = 1000;
  }
  void write_config(const HfConfig& c, nlohmann::ordered_json& json) const override {
    json["vocab"] = c.vocab_size;
    json["width"] = c.hidden_size;
    json["depth"] = c.num_hidden_layers;
    json["heads"] = c.num_attention_heads;
    json["head_dim"] = c.head_dim;
    json["inner"] = c.intermediate_size;
  }
  double num_parameters(const HfConfig& c) const override {
    return static_cast<double>(c.vocab_size * c.hidden_size);
  }
  std::shared_ptr<EncoderImpl> make_encoder(const HfConfig& config,
                                            at::ScalarType dtype) const override {
    return std::make_shared<ToyEncoder>(config, dtype);
  }
  std::vector<std::string> hf_names(const std::string& name) const override {
    return {"toy/" + name};
  }
  ParameterRole role(const std::string& name) const override {
    using enum ParameterRole::Kind;
    if (name == "words") return {.part = ParameterRole::Part::kEmbedding, .kind = kTable};
    return {.part = ParameterRole::Part::kEncoderLayer,
            .layer = std::stol(name.substr(5)),
            .kind = name.find("norm") != name.npos ? kNorm
                    : name.ends_with("bias")       ? kBias
                                                   : kMatrix};
  }
  TensorNames tensor_names() const override {
    return {.prefix = "toy/", .encoder_parts = {}, .renamed_ends = {}, .ignorable = {"top/"}};
  }
  SegmentLayout layout(const HfConfig&, const SpecialTokens& tokens) const override {
    return {.between = {tokens.mask},
            .between_of_first = 0,
            .suffix = {tokens.sep, tokens.sep},
            .uses_prompts = true};
  }
  HeadTensors head_tensors(HeadKind, bool) const override {
    return {.architecture = "ToyModel", .modules = {{.name = "output", .hf_name = "top/linear"}}};
  }
  Pooling default_pooling() const override { return Pooling::kMean; }
  EncoderCosts costs(const HfConfig& c) const override {
    const int64_t width = c.hidden_size, inner = c.intermediate_size,
                  attention = c.num_attention_heads * c.head_dim;
    const auto product = [](int64_t in, int64_t out) { return static_cast<double>(in * out); };
    return {
        .layer =
            {.pair = 2 * static_cast<double>(attention),
             .query = product(width, attention),
             .key_value = 2 * product(width, attention),
             .output = product(attention, width),
             .feed_forward = 3 * product(width, inner),
             // k and v.
             .saved_key_value = 2 * attention,
             // q, context, the attended row, both norms' outputs, gate and up, their product and
             // GELU's output.
             .saved_made = 2 * attention + 3 * width + 4 * inner,
             // Both norms before their weights, and their scales; the log-sum-exp.
             .saved_floats = 2 * (width + 1) + c.num_attention_heads,
             .widest_in = width,
             .widest_out = 2 * inner},
        .embedding_floats = 0};
  }
};

}  // namespace lait
