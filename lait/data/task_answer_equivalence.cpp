// Answer equivalence (Bulian et al. 2022; EVOUNA, Wang et al. 2023): whether a candidate answers a
// question as the reference does. JSON lines {"question", "reference", "candidate", "label"}. The
// order of the segments is question, reference, candidate.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class AnswerEquivalence : public Task {
 public:
  std::string name() const override { return "answer_equivalence"; }
  std::vector<std::string> segment_names() const override {
    return {"question", "reference", "candidate"};
  }
  std::vector<std::string> labels() const override { return {"different", "equivalent"}; }
  LabelMap label_aliases() const override {
    return {{"false", "different"}, {"true", "equivalent"}};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy", "macro_f1"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with question, reference, candidate and label, true or false";
  }
  FieldNames fields() const override {
    return {.segments = {{"question"}, {"reference"}, {"candidate"}}};
  }
  void complete(Example& example) const override { example.passage = example.segments.front(); }
};

}  // namespace

const Task& answer_equivalence_task() {
  static const AnswerEquivalence task;
  return task;
}

}  // namespace lait
