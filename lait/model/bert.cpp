#include "lait/model/bert.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace lait {

BertSelfAttentionImpl::BertSelfAttentionImpl(const HfConfig& config, at::ScalarType compute_dtype) {
  qkv = register_module("qkv", Linear(config.hidden_size, 3 * config.hidden_size, compute_dtype));
}

BertAttentionImpl::BertAttentionImpl(const HfConfig& config, at::ScalarType compute_dtype) {
  self = register_module("self", BertSelfAttention(config, compute_dtype));
  output = register_module("output", DenseNorm(config.hidden_size, config.hidden_size,
                                               config.layer_norm_eps, compute_dtype));
}

BertIntermediateImpl::BertIntermediateImpl(const HfConfig& config, at::ScalarType compute_dtype) {
  dense =
      register_module("dense", Linear(config.hidden_size, config.intermediate_size, compute_dtype));
}

BertLayerImpl::BertLayerImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : num_heads_(config.num_attention_heads),
      head_dim_(config.hidden_size / config.num_attention_heads),
      hidden_dropout_(config.hidden_dropout_prob),
      attention_dropout_(config.attention_probs_dropout_prob) {
  attention = register_module("attention", BertAttention(config, compute_dtype));
  intermediate = register_module("intermediate", BertIntermediate(config, compute_dtype));
  output = register_module("output", DenseNorm(config.intermediate_size, config.hidden_size,
                                               config.layer_norm_eps, compute_dtype));
}

BertLayerImpl::Attended BertLayerImpl::attend(const at::Tensor& x, const DeviceBatch& batch,
                                              const LayerPlan& plan, const Randomness& randomness) {
  const int64_t width = num_heads_ * head_dim_;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
  const kernels::Dropout dropout =
      randomness.at(attention_dropout_, plan.layer, kernels::Site::kAttention);
  Linear& qkv = attention->self->qkv;
  auto joined = [&](const at::Tensor& rows) {
    return plan.join ? gather(rows, batch, *plan.join) : rows;
  };
  if (plan.read_rows == nullptr) {
    const at::Tensor all = joined(qkv(x)).view({-1, 3, num_heads_, head_dim_});
    return {ops::segment_attention_qkvpacked(all, plan.units, scale, dropout), joined(x)};
  }
  // Keys and values of all rows; queries and everything after them only of the rows that are read.
  const at::Tensor kv =
      joined(qkv->outputs(x, width, 2 * width)).view({-1, 2, num_heads_, head_dim_});
  const at::Tensor read = gather(x, batch, *plan.read_rows);
  const at::Tensor q = qkv->outputs(read, 0, width).view({-1, num_heads_, head_dim_});
  return {ops::segment_attention_kvpacked(q, kv, plan.units, scale, dropout), read};
}

at::Tensor BertLayerImpl::forward(const at::Tensor& x, const DeviceBatch& batch,
                                  const LayerPlan& plan, const Randomness& randomness) {
  using kernels::Site;
  const Attended in = attend(x, batch, plan, randomness);
  const at::Tensor attended = attention->output->forward(
      in.context.view({-1, num_heads_ * head_dim_}), in.residual, plan.rows,
      randomness.at(hidden_dropout_, plan.layer, Site::kAttentionOutput));
  return output->forward(at::gelu(intermediate->dense(attended)), attended, plan.rows,
                         randomness.at(hidden_dropout_, plan.layer, Site::kFfnOutput));
}

BertEmbeddingsImpl::BertEmbeddingsImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : compute_dtype_(compute_dtype), dropout_(config.hidden_dropout_prob) {
  auto table = [&](const char* name, int64_t rows) {
    auto module = register_module(name, std::make_shared<torch::nn::Module>());
    return module->register_parameter("weight", at::zeros({rows, config.hidden_size}, at::kFloat));
  };
  word_ = table("word_embeddings", config.vocab_size);
  position_ = table("position_embeddings", config.max_position_embeddings);
  type_ = table("token_type_embeddings", config.type_vocab_size);
  norm_ = register_module("LayerNorm", LayerNorm(config.hidden_size, config.layer_norm_eps));
}

at::Tensor BertEmbeddingsImpl::forward(const DeviceBatch& batch, const Randomness& randomness) {
  const PackedBatch& packed = batch.packed;
  const at::Tensor sum = at::embedding(word_, batch.view(packed.token_ids)) +
                         at::embedding(type_, batch.view(packed.token_types)) +
                         at::embedding(position_, batch.view(packed.positions));
  const Level& level = packed.levels[0];
  return ops::dropout_add(norm_(sum).to(compute_dtype_), std::nullopt,
                          batch.view(level.row_unit_ids), batch.view(level.row_positions),
                          randomness.at(dropout_, 0, kernels::Site::kEmbedding));
}

BertModelImpl::BertModelImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : num_layers_(config.num_hidden_layers) {
  // LibTorch's tanh (the pooler's) is MKL's. Where two threads made the first call of a process, one of them now and then worked
  // in MKL's mode of low accuracy (error 5e-5, one process in a hundred under load). So one thread makes it, for one number.
  [[maybe_unused]] static const at::Tensor first_call = at::tanh(at::zeros({1}));
  embeddings = register_module("embeddings", BertEmbeddings(config, compute_dtype));
  auto encoder = register_module("encoder", std::make_shared<torch::nn::Module>());
  auto list = encoder->register_module("layer", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < num_layers_; ++l) {
    layers_.push_back(list->register_module(std::to_string(l), BertLayer(config, compute_dtype)));
  }
  auto pooler = register_module("pooler", std::make_shared<torch::nn::Module>());
  pooler_ =
      pooler->register_module("dense", Linear(config.hidden_size, config.hidden_size, at::kFloat));
}

namespace {

void add_work(ops::AttentionUnits& units, const DeviceBatch& batch, const Work& work) {
  if (work.blocks.empty()) return;
  units.work = batch.view(work.tiles);
  units.work_blocks = work.blocks;
}

}  // namespace

EncoderStates BertModelImpl::forward(const DeviceBatch& batch, const PackPlan& plan,
                                     const Randomness& randomness) {
  const PackedBatch& packed = batch.packed;
  const bool wants_means =
      plan.pooling == Pooling::kSegments || plan.pooling == Pooling::kClsSegments;
  const bool reads_first_rows = plan.reads_first_rows() && plan.prune_rows;
  EncoderStates out;
  auto segment_means = [&](const at::Tensor& rows, size_t level) {
    return ops::unit_mean(rows, batch.view(packed.levels[level].segment_offsets));
  };

  at::Tensor x = embeddings(batch, randomness);
  size_t level = 0;
  int64_t layer = 0;
  for (const Stage& stage : plan.stages) {
    for (int64_t i = 0; i < stage.num_layers; ++i, ++layer) {
      LayerPlan layer_plan;
      layer_plan.layer = layer;
      if (stage.scope > packed.levels[level].scope) {
        if (wants_means && !plan.means_from_final() &&
            static_cast<int>(level) == plan.mean_level()) {
          out.segment_means = segment_means(x, level);
        }
        layer_plan.join = &packed.levels[++level].from_previous;
      }
      const Level& here = packed.levels[level];
      const at::Tensor offsets = batch.view(here.offsets), unit_ids = batch.view(here.unit_ids);
      if (reads_first_rows && layer + 1 == num_layers_) {
        const FirstRows& first = packed.first_rows;
        const at::Tensor positions = batch.view(first.row_positions);
        layer_plan.read_rows = &first.gather;
        layer_plan.units = {batch.view(first.q_offsets), offsets, positions, unit_ids};
        add_work(layer_plan.units, batch, first.work);
        layer_plan.rows = {batch.view(first.row_unit_ids), positions};
      } else {
        layer_plan.units = {offsets, offsets, std::nullopt, unit_ids};
        add_work(layer_plan.units, batch, here.work);
        layer_plan.rows = {batch.view(here.row_unit_ids), batch.view(here.row_positions)};
      }
      x = layers_[layer]->forward(x, batch, layer_plan, randomness);
    }
  }
  out.rows = x;
  if (wants_means && plan.means_from_final()) out.segment_means = segment_means(x, level);
  return out;
}

at::Tensor BertModelImpl::pool(const at::Tensor& x) { return at::tanh(pooler_(x)); }

}  // namespace lait
