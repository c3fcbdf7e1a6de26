// RoBERTa, and what MPNet shares with it: positions that start after the padding token's and do not
// count it, a pair separated by two separators and without token types, no pooler, and a head of a
// dense layer, tanh and an output layer on the first row.
#pragma once
#include "lait/model/bert.h"

namespace lait {

class RobertaFamily : public BertFamily {
 public:
  std::string model_type() const override { return "roberta"; }
  void read_config(ConfigFields& fields, HfConfig& config) const override;
  std::vector<std::string> carried_tensors() const override { return {}; }
  SegmentLayout layout(const HfConfig& config, const SpecialTokens& tokens) const override;
  std::string pair_problem(const HfConfig&) const override { return ""; }
  std::string tokenizer_class() const override { return "RobertaTokenizer"; }
  HeadTensors head_tensors(HeadKind kind, bool on_first_row) const override;

 protected:
  // The token that positions leave out, which is also its position.
  virtual int64_t uncounted_token(const HfConfig& config) const { return config.pad_token_id; }
  std::string question_answering_class() const override { return "RobertaForQuestionAnswering"; }
  virtual std::string classifier_class() const { return "RobertaForSequenceClassification"; }
};

}  // namespace lait
