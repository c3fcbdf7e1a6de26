// SICK (Marelli et al. 2014): sentence pairs, entailment (sick) and relatedness from 1 to 5
// (sick_relatedness, a regression). Tab-separated with a header; quotes are ordinary text. The
// complete SICK calls the entailment entailment_label, the shared task's files entailment_judgment.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Sick : public Task {
 public:
  std::string name() const override { return "sick"; }
  std::vector<std::string> segment_names() const override { return {"sentence_A", "sentence_B"}; }
  std::vector<std::string> labels() const override {
    return {"ENTAILMENT", "NEUTRAL", "CONTRADICTION"};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "SICK's tab-separated files, or JSON lines or CSV, with pair_ID, sentence_A, "
           "sentence_B, entailment_judgment or entailment_label or label";
  }
  FieldNames fields() const override {
    return {.segments = {{"sentence_A", "sentence1"}, {"sentence_B", "sentence2"}},
            .label = {"entailment_judgment", "entailment_label", "label"},
            .id = {"pair_ID", "id", "idx"}};
  }
  // T5's of MNLI, whose classes these are.
  Prompts prompts() const override {
    return {.parts = {{1, "mnli hypothesis: "}, {0, "premise: "}},
            .labels = {"entailment", "neutral", "contradiction"}};
  }
};

class SickRelatedness : public Sick {
 public:
  std::string name() const override { return "sick_relatedness"; }
  std::vector<std::string> labels() const override { return {}; }
  LabelKind label_kind() const override { return LabelKind::kNumber; }
  double lowest_score() const override { return 1; }
  double highest_score() const override { return 5; }
  std::vector<std::string> metrics(LabelKind) const override {
    return {"pearson", "spearman", "mse"};
  }
  std::string formats() const override {
    return "SICK's tab-separated files, or JSON lines or CSV, with pair_ID, sentence_A, "
           "sentence_B, relatedness_score (1 to 5)";
  }
  FieldNames fields() const override {
    FieldNames names = Sick::fields();
    names.label = {"relatedness_score", "label"};
    return names;
  }
  // T5's of STS-B.
  Prompts prompts() const override {
    return {.parts = {{0, "stsb sentence1: "}, {1, "sentence2: "}}};
  }
};

}  // namespace

const Task& sick_relatedness_task() {
  static const SickRelatedness task;
  return task;
}

const Task& sick_task() {
  static const Sick task;
  return task;
}

}  // namespace lait
