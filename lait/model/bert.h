// BERT over packed rows under a schedule (LAIT, section 3; the stock model is the schedule with one example-scope stage).
//
// The encoder is one loop: for each stage run its layers; where a stage's scope is wider than the rows' level, its first
// layer joins. The join stands between the projections (row-wise: q, k, v) and the attention (BertLayerImpl::attend),
// since q, k and v of the first joint layer are still functions of single segments.
// Modules and parameters are named as in Hugging Face's checkpoints, but for q, k and v: one fused product, one leaf
// (attention.self.qkv), which ModelImpl::checkpoint_tensors (model.cpp) shows as three.
#pragma once
#include <optional>

#include "lait/model/hf_config.h"
#include "lait/model/layers.h"
#include "lait/ops/ops.h"

namespace lait {

// What a layer must know of the batch: what its rows see, and which rows it makes.
struct LayerPlan {
  int64_t layer = 0;  // index, for dropout
  const Gather* join =
      nullptr;  // rows of the level before to the rows of this one; null: no join in this layer
  const Gather* read_rows = nullptr;  // entering rows to the rows that are read; null: all
  ops::AttentionUnits units;          // offsets of the (read) queries and of the keys
  RowNames rows;                      // names of the rows that the layer makes
};

class BertSelfAttentionImpl : public torch::nn::Module {
 public:
  BertSelfAttentionImpl(const HfConfig& config, at::ScalarType compute_dtype);
  Linear qkv{nullptr};  // (3C, C): query, key, value
};
TORCH_MODULE(BertSelfAttention);

class BertAttentionImpl : public torch::nn::Module {
 public:
  BertAttentionImpl(const HfConfig& config, at::ScalarType compute_dtype);
  BertSelfAttention self{nullptr};
  DenseNorm output{nullptr};
};
TORCH_MODULE(BertAttention);

class BertIntermediateImpl : public torch::nn::Module {
 public:
  BertIntermediateImpl(const HfConfig& config, at::ScalarType compute_dtype);
  Linear dense{nullptr};
};
TORCH_MODULE(BertIntermediate);

class BertLayerImpl : public torch::nn::Module {
 public:
  BertLayerImpl(const HfConfig& config, at::ScalarType compute_dtype);
  // (T of the entering rows, C) -> (rows that the plan reads, C)
  at::Tensor forward(const at::Tensor& x, const DeviceBatch& batch, const LayerPlan& plan,
                     const Randomness& randomness);

 private:
  struct Attended {       // of the rows that finish
    at::Tensor context;   // (rows, H, D)
    at::Tensor residual;  // (rows, C)
  };
  Attended attend(const at::Tensor& x, const DeviceBatch& batch, const LayerPlan& plan,
                  const Randomness& randomness);

  int64_t num_heads_, head_dim_;
  double hidden_dropout_, attention_dropout_;
  BertAttention attention{nullptr};
  BertIntermediate intermediate{nullptr};
  DenseNorm output{nullptr};
};
TORCH_MODULE(BertLayer);

class BertEmbeddingsImpl : public torch::nn::Module {
 public:
  BertEmbeddingsImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor forward(const DeviceBatch& batch, const Randomness& randomness);  // (T of level 0, C)

 private:
  at::ScalarType compute_dtype_;
  double dropout_;
  at::Tensor word_, position_, type_;  // (V, C), (positions, C), (types, C) float leaves
  LayerNorm norm_{nullptr};
};
TORCH_MODULE(BertEmbeddings);

// What the encoder gives to the head.
struct EncoderStates {
  at::Tensor
      rows;  // (T of the last level, C), or its units' first rows (G, C) where only those are read
  at::Tensor
      segment_means;  // (segments of plan.mean_level(), C) float; undefined where the pooling reads none
};

class BertModelImpl : public torch::nn::Module {
 public:
  BertModelImpl(const HfConfig& config, at::ScalarType compute_dtype);
  // `plan` is the one the batch was packed with.
  EncoderStates forward(const DeviceBatch& batch, const PackPlan& plan,
                        const Randomness& randomness);
  // tanh(W x + b) of Hugging Face's BertPooler, in float. x (B, C) float.
  at::Tensor pool(const at::Tensor& x);

 private:
  int64_t num_layers_;
  BertEmbeddings embeddings{nullptr};
  std::vector<BertLayer> layers_;
  Linear pooler_{nullptr};
};
TORCH_MODULE(BertModel);

}  // namespace lait
