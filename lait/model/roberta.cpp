// RoBERTa: BERT with positions that start after padding_idx, one token type, a pair separated by
// "</s></s>", and a head of a dense layer, tanh and an output layer on the first row.
#include "lait/model/bert.h"

namespace lait {
namespace {

class RobertaFamily final : public BertFamily {
 public:
  std::string model_type() const override { return "roberta"; }

  void read_config(ConfigFields& fields, HfConfig& config) const override {
    BertFamily::read_config(fields, config);
    if (fields.absent("pad_token_id")) config.pad_token_id = 1;  // RobertaConfig's default
    config.max_tokens = config.max_position_embeddings - first_position(config);
    if (config.max_position_embeddings > 0 && config.max_tokens < kFewestTokens) {
      fields.problem("max_position_embeddings: expected at least " +
                     std::to_string(first_position(config) + kFewestTokens) + ", got " +
                     std::to_string(config.max_position_embeddings));
    }
  }

  // RobertaForSequenceClassification has no pooler.
  std::vector<std::string> carried_tensors() const override { return {}; }

  SegmentLayout layout(const HfConfig& config, const SpecialTokens& tokens) const override {
    return {.prefix = {tokens.cls},
            .between = {tokens.sep, tokens.sep},
            .between_of_first = 1,
            .suffix = {tokens.sep},
            .first_position = static_cast<int32_t>(first_position(config)),
            .uncounted_token = static_cast<int32_t>(config.pad_token_id)};
  }
  std::string pair_problem(const HfConfig&) const override { return ""; }

  HeadTensors head_tensors(HeadKind, bool on_first_row) const override {
    return unpooled_head("RobertaForSequenceClassification", on_first_row);
  }

 private:
  // create_position_ids_from_input_ids counts from padding_idx + 1.
  static int64_t first_position(const HfConfig& config) { return config.pad_token_id + 1; }
};

}  // namespace

const Family& roberta_family() {
  static const RobertaFamily family;
  return family;
}

}  // namespace lait
