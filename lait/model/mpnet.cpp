// MPNet (all-mpnet-base-v2): RoBERTa with T5's relative position bias, one table for all layers,
// and without token types.
#include <ATen/ops/zeros.h>

#include <nlohmann/json.hpp>

#include "lait/model/roberta.h"

namespace lait {
namespace {

// As in transformers' modeling_mpnet.py, whatever config.json says: the buckets and the distance of
// compute_position_bias, and MPNetEmbeddings' padding_idx.
constexpr int64_t kBuckets = 32, kMaxDistance = 128, kUncounted = 1;
constexpr const char* kBucketsKey = "relative_attention_num_buckets";

class MpnetEncoderImpl final : public BertEncoderImpl {
 public:
  MpnetEncoderImpl(const HfConfig& config, at::ScalarType compute_dtype)
      : BertEncoderImpl(config, compute_dtype) {
    const auto bias = add_child(*stack_, "relative_attention_bias");
    spec_.bias = {.table = bias->register_parameter(
                      "weight", at::zeros({kBuckets, config.num_attention_heads}, at::kFloat)),
                  .max_distance = kMaxDistance};
  }
};

bool replace(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return at != std::string::npos;
}

class MpnetFamily final : public RobertaFamily {
 public:
  std::string model_type() const override { return "mpnet"; }
  std::string tokenizer_class() const override { return "MPNetTokenizer"; }

  void read_config(ConfigFields& fields, HfConfig& config) const override {
    fields.expect(kBucketsKey, kBuckets, "transformers computes that many, too");
    RobertaFamily::read_config(fields, config);
    config.type_vocab_size = 0;
  }

  void write_config(const HfConfig& config, nlohmann::ordered_json& json) const override {
    BertFamily::write_config(config, json);
    json[kBucketsKey] = kBuckets;
  }

  std::shared_ptr<EncoderImpl> make_encoder(const HfConfig& config,
                                            at::ScalarType compute_dtype) const override {
    return std::make_shared<MpnetEncoderImpl>(config, compute_dtype);
  }

  std::vector<std::string> hf_names(const std::string& name) const override {
    std::string full = tensor_names().prefix + name;
    if (replace(full, "attention.self.qkv.", "attention.attn.*.")) {
      std::vector<std::string> parts;
      for (const char* part : {"q", "k", "v"}) {
        parts.push_back(full);
        replace(parts.back(), "*", part);
      }
      return parts;
    }
    replace(full, "attention.output.dense.", "attention.attn.o.");
    replace(full, "attention.output.LayerNorm.", "attention.LayerNorm.");
    return {full};
  }

  // The table counts as a bias: as in transformers' Trainer it has no weight decay.
  ParameterRole role(const std::string& name) const override {
    ParameterRole role = BertFamily::role(name);
    if (role.part == ParameterRole::Part::kSharedTable) role.kind = ParameterRole::Kind::kBias;
    return role;
  }

 protected:
  int64_t uncounted_token(const HfConfig&) const override { return kUncounted; }
  std::string classifier_class() const override { return "MPNetForSequenceClassification"; }
  std::string question_answering_class() const override { return "MPNetForQuestionAnswering"; }
};

}  // namespace

const Family& mpnet_family() {
  static const MpnetFamily family;
  return family;
}

}  // namespace lait
