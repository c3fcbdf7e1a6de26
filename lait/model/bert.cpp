#include "lait/model/bert.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace lait {
namespace {

using kernels::Site;

bool has(const std::string& name, const char* part) { return name.find(part) != name.npos; }

}  // namespace

BertLayerImpl::BertLayerImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : attention_width_(config.num_attention_heads * config.head_dim),
      hidden_dropout_(config.hidden_dropout_prob) {
  const auto attention = add_child(*this, "attention");
  qkv_ =
      add_child(*attention, "self")
          ->register_module("qkv", Linear(config.hidden_size, 3 * attention_width_, compute_dtype));
  attention_output_ = attention->register_module(
      "output",
      DenseNorm(attention_width_, config.hidden_size, config.layer_norm_eps, compute_dtype));
  intermediate_ = add_child(*this, "intermediate")
                      ->register_module("dense", Linear(config.hidden_size,
                                                        config.intermediate_size, compute_dtype));
  output_ = register_module("output", DenseNorm(config.intermediate_size, config.hidden_size,
                                                config.layer_norm_eps, compute_dtype));
}

at::Tensor BertLayerImpl::project(const at::Tensor& x, Projections which, const RowNames& rows,
                                  const Randomness& randomness) {
  return fused_projections(*qkv_, x, which, rows, randomness);
}

at::Tensor BertLayerImpl::finish(const at::Tensor& context, const at::Tensor& residual,
                                 const RowNames& rows, const Randomness& randomness) {
  const at::Tensor attended = attention_output_->forward(context, residual, rows, randomness,
                                                         hidden_dropout_, Site::kAttentionOutput);
  const at::Tensor inner = at::gelu(intermediate_->adapted(attended, rows, randomness));
  return output_->forward(inner, attended, rows, randomness, hidden_dropout_, Site::kFfnOutput);
}

BertEmbeddingsImpl::BertEmbeddingsImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : compute_dtype_(compute_dtype), dropout_(config.hidden_dropout_prob) {
  const auto table = [&](const char* name, int64_t rows) {
    return add_child(*this, name)
        ->register_parameter("weight", at::zeros({rows, config.hidden_size}, at::kFloat));
  };
  word_ = table("word_embeddings", config.vocab_size);
  position_ = table("position_embeddings", config.max_position_embeddings);
  if (config.type_vocab_size > 0) type_ = table("token_type_embeddings", config.type_vocab_size);
  norm_ = register_module("LayerNorm", LayerNorm(config.hidden_size, config.layer_norm_eps));
}

at::Tensor BertEmbeddingsImpl::forward(const DeviceBatch& batch, const Randomness& randomness) {
  const PackedBatch& packed = batch.packed;
  TORCH_CHECK(packed.token_ids.size > 0 || packed.levels[0].num_rows == 0,
              "BertEmbeddings: the batch was packed without tokens");
  at::Tensor sum = at::embedding(word_, batch.view(packed.token_ids));
  if (type_.defined()) sum = sum + at::embedding(type_, batch.view(packed.token_types));
  sum = sum + at::embedding(position_, batch.view(packed.positions));
  const Level& level = packed.levels[0];
  return ops::dropout_add(norm_(sum).to(compute_dtype_), std::nullopt,
                          batch.view(level.row_unit_ids), batch.view(level.row_positions),
                          randomness.at(dropout_, Site::kEmbedding));
}

BertEncoderImpl::BertEncoderImpl(const HfConfig& config, at::ScalarType compute_dtype)
    : spec_{.heads = config.num_attention_heads,
            .head_dim = config.head_dim,
            .scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim))},
      attention_dropout_(config.attention_probs_dropout_prob) {
  embeddings_ = register_module("embeddings", BertEmbeddings(config, compute_dtype));
  stack_ = add_child(*this, "encoder");
  const auto list = add_child(*stack_, "layer");
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    layers_.push_back(list->register_module(
        std::to_string(l), std::make_shared<BertLayerImpl>(config, compute_dtype)));
  }
}

at::Tensor BertEncoderImpl::embed(const DeviceBatch& batch, const Randomness& randomness) {
  return embeddings_->forward(batch, randomness);
}

void BertFamily::read_config(ConfigFields& fields, HfConfig& config) const {
  // "gelu_python" is the same function, written in Python.
  if (!fields.is("hidden_act", "gelu_python"))
    fields.expect("hidden_act", "gelu", "the kernels have exact (erf) GELU only");
  fields.expect("position_embedding_type", "absolute",
                "the model has BERT's learnt positions only");
  read_common_fields(fields, config);
}

void BertFamily::write_config(const HfConfig& config, nlohmann::ordered_json& json) const {
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["intermediate_size"] = config.intermediate_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  if (config.type_vocab_size > 0) json["type_vocab_size"] = config.type_vocab_size;
  json["pad_token_id"] = config.pad_token_id;
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["hidden_dropout_prob"] = config.hidden_dropout_prob;
  json["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob;
  json["initializer_range"] = config.initializer_range;
  json["classifier_dropout"] =
      config.classifier_dropout ? nlohmann::ordered_json(*config.classifier_dropout) : nullptr;
}

double BertFamily::num_parameters(const HfConfig& config) const {
  const auto width = static_cast<double>(config.hidden_size);
  const double layer =
      4 * width * width + 2 * width * static_cast<double>(config.intermediate_size);
  return layer * static_cast<double>(config.num_hidden_layers) +
         width * static_cast<double>(config.vocab_size + config.max_position_embeddings +
                                     config.type_vocab_size);
}

std::shared_ptr<EncoderImpl> BertFamily::make_encoder(const HfConfig& config,
                                                      at::ScalarType compute_dtype) const {
  return std::make_shared<BertEncoderImpl>(config, compute_dtype);
}

std::vector<std::string> BertFamily::hf_names(const std::string& name) const {
  static constexpr std::string_view kFused = ".qkv.";
  const std::string full = tensor_names().prefix + name;
  const size_t at = full.find(kFused);
  if (at == std::string::npos) return {full};
  std::vector<std::string> parts;
  for (const char* part : {".query.", ".key.", ".value."})
    parts.push_back(std::string(full).replace(at, kFused.size(), part));
  return parts;
}

ParameterRole BertFamily::role(const std::string& name) const {
  static constexpr std::string_view kLayer = "encoder.layer.";
  ParameterRole role;
  if (name.starts_with("embeddings.")) {
    role.part = ParameterRole::Part::kEmbedding;
  } else if (name.starts_with(kLayer)) {
    role.part = ParameterRole::Part::kEncoderLayer;
    role.layer = std::stol(name.substr(kLayer.size()));
  } else {
    role.part = ParameterRole::Part::kSharedTable;
  }
  role.kind = has(name, "LayerNorm.")                           ? ParameterRole::Kind::kNorm
              : name.ends_with(".bias")                         ? ParameterRole::Kind::kBias
              : role.part == ParameterRole::Part::kEncoderLayer ? ParameterRole::Kind::kMatrix
                                                                : ParameterRole::Kind::kTable;
  return role;
}

TensorNames BertFamily::tensor_names() const {
  const std::string prefix = model_type() + ".";
  return {.prefix = prefix,
          .encoder_parts = {"embeddings.", "encoder.", "pooler."},
          .renamed_ends = {{"LayerNorm.gamma", "LayerNorm.weight"},
                           {"LayerNorm.beta", "LayerNorm.bias"}},
          .ignorable = {prefix + "embeddings.position_ids", prefix + "pooler.", "cls.", "lm_head.",
                        "classifier.", "qa_outputs."}};
}

std::vector<std::string> BertFamily::carried_tensors() const {
  const std::string pooler = model_type() + ".pooler.dense.";
  return {pooler + "bias", pooler + "weight"};
}

SegmentLayout BertFamily::layout(const HfConfig&, const SpecialTokens& tokens) const {
  return {.prefix = {tokens.cls},
          .between = {tokens.sep},
          .between_of_first = 1,
          .suffix = {tokens.sep},
          .second_type = 1};
}

std::string BertFamily::pair_problem(const HfConfig& config) const {
  return config.type_vocab_size < 2 ? "pair needs two token types, and the model has one" : "";
}

HeadTensors BertFamily::head_tensors(HeadKind kind, bool on_first_row) const {
  if (kind == HeadKind::kSpan) {
    return {.architecture = question_answering_class(),
            .modules = {{.name = "output", .hf_name = "qa_outputs"}}};
  }
  HeadTensors out{.modules = {{.name = "output", .hf_name = "classifier"}}};
  if (on_first_row) {
    out.architecture = "BertForSequenceClassification";
    out.dense = true;
    out.modules.push_back({.name = "dense", .hf_name = "bert.pooler.dense", .pretrained = true});
  }
  return out;
}

Pooling BertFamily::default_pooling() const { return Pooling::kClsSegments; }

EncoderCosts BertFamily::costs(const HfConfig& config) const {
  const int64_t width = config.hidden_size, inner = config.intermediate_size,
                heads = config.num_attention_heads, attention = heads * config.head_dim;
  const int64_t norm = width + 2;  // a norm's input in float, its mean and deviation
  const auto product = [](int64_t in, int64_t out) {
    return static_cast<double>(in) * static_cast<double>(out);
  };
  EncoderCosts costs;
  costs.layer = {
      .pair = 2 * static_cast<double>(attention),
      .query = product(width, attention),
      .key_value = 2 * product(width, attention),
      .output = product(attention, width),
      .feed_forward = 2 * product(width, inner),
      .saved_key_value = 2 * attention,                         // k, v
      .saved_made = attention + attention + width + 2 * inner,  // q, context, attended, GELU's 2
      .saved_floats = heads + 2 * norm,                         // log-sum-exp, two norms
      .widest_in = width,
      .widest_out = inner};
  costs.embedding_floats = norm;
  return costs;
}

const Family& bert_family() {
  static const BertFamily family;
  return family;
}

}  // namespace lait
