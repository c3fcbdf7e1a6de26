// BERT: post-norm layers with exact GELU, learnt absolute positions, token types. RoBERTa and MPNet
// differ in names, layout and the attention's bias, so they derive from these classes.
//
// Modules are named as in Hugging Face's BertModel, except for q, k and v: one fused product, one
// leaf (attention.self.qkv), which BertFamily::hf_names lists as three tensors.
#pragma once
#include "lait/model/family.h"

namespace lait {

class BertLayerImpl final : public EncoderLayerImpl {
 public:
  BertLayerImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor project(const at::Tensor& x, Projections which, const RowNames& rows,
                     const Randomness& randomness) override;
  at::Tensor finish(const at::Tensor& context, const at::Tensor& residual, const RowNames& rows,
                    const Randomness& randomness) override;

 private:
  int64_t attention_width_;  // H D
  double hidden_dropout_;
  Linear qkv_{nullptr};                  // "attention.self.qkv": (3 H D, C)
  DenseNorm attention_output_{nullptr};  // "attention.output"
  Linear intermediate_{nullptr};         // "intermediate.dense"
  DenseNorm output_{nullptr};            // "output"
};

class BertEmbeddingsImpl : public torch::nn::Module {
 public:
  BertEmbeddingsImpl(const HfConfig& config, at::ScalarType compute_dtype);
  // (T of level 0, C)
  at::Tensor forward(const DeviceBatch& batch, const Randomness& randomness);

 private:
  at::ScalarType compute_dtype_;
  double dropout_;
  // (V, C), (positions, C), (types, C) float leaves; no type_ if the family has no token types.
  at::Tensor word_, position_, type_;
  LayerNorm norm_{nullptr};
};
TORCH_MODULE(BertEmbeddings);

class BertEncoderImpl : public EncoderImpl {
 public:
  BertEncoderImpl(const HfConfig& config, at::ScalarType compute_dtype);
  at::Tensor embed(const DeviceBatch& batch, const Randomness& randomness) override;

 protected:
  ops::AttentionSpec attention_spec() const override { return spec_; }
  double attention_dropout() const override { return attention_dropout_; }

  ops::AttentionSpec spec_;
  // "encoder", the parent of the layers.
  std::shared_ptr<torch::nn::Module> stack_;

 private:
  double attention_dropout_;
  BertEmbeddings embeddings_{nullptr};
};

class BertFamily : public Family {
 public:
  std::string model_type() const override { return "bert"; }
  void read_config(ConfigFields& fields, HfConfig& config) const override;
  void write_config(const HfConfig& config, nlohmann::ordered_json& json) const override;
  double num_parameters(const HfConfig& config) const override;
  std::shared_ptr<EncoderImpl> make_encoder(const HfConfig& config,
                                            at::ScalarType compute_dtype) const override;
  std::vector<std::string> hf_names(const std::string& name) const override;
  ParameterRole role(const std::string& name) const override;
  TensorNames tensor_names() const override;
  std::vector<std::string> carried_tensors() const override;
  SegmentLayout layout(const HfConfig& config, const SpecialTokens& tokens) const override;
  std::string pair_problem(const HfConfig& config) const override;
  HeadTensors head_tensors(HeadKind kind, bool on_first_row) const override;
  Pooling default_pooling() const override;
  bool has_hf_code() const override { return true; }
  std::string tokenizer_class() const override { return "BertTokenizer"; }
  EncoderCosts costs(const HfConfig& config) const override;

 protected:
  virtual std::string question_answering_class() const { return "BertForQuestionAnswering"; }
};

}  // namespace lait
