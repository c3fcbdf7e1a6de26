#include "lait/model/roberta.h"

namespace lait {

void RobertaFamily::read_config(ConfigFields& fields, HfConfig& config) const {
  BertFamily::read_config(fields, config);
  if (fields.absent("pad_token_id")) config.pad_token_id = 1;  // RobertaConfig's, MPNetConfig's
  // create_position_ids_from_input_ids counts from padding_idx + 1.
  const int64_t unused = uncounted_token(config) + 1;
  config.max_tokens = config.max_position_embeddings - unused;
  if (config.max_position_embeddings > 0 && config.max_tokens < kFewestTokens) {
    fields.problem("max_position_embeddings: expected at least " +
                   std::to_string(unused + kFewestTokens) + ", got " +
                   std::to_string(config.max_position_embeddings));
  }
}

SegmentLayout RobertaFamily::layout(const HfConfig& config, const SpecialTokens& tokens) const {
  const auto uncounted = static_cast<int32_t>(uncounted_token(config));
  return {.prefix = {tokens.cls},
          .between = {tokens.sep, tokens.sep},
          .between_of_first = 1,
          .suffix = {tokens.sep},
          .first_position = uncounted + 1,
          .uncounted_token = uncounted};
}

HeadTensors RobertaFamily::head_tensors(HeadKind kind, bool on_first_row) const {
  if (kind == HeadKind::kSpan) return BertFamily::head_tensors(kind, on_first_row);
  HeadTensors out{.modules = {{.name = "output", .hf_name = "classifier.out_proj"}}};
  if (on_first_row) {
    out.architecture = classifier_class();
    out.dense = out.dropout_before_dense = true;
    out.modules.push_back({.name = "dense", .hf_name = "classifier.dense"});
  }
  return out;
}

const Family& roberta_family() {
  static const RobertaFamily family;
  return family;
}

}  // namespace lait
