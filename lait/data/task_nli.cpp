// MNLI, SNLI and ANLI (Nie et al. 2020): premise, hypothesis, three classes; RTE: two classes.
// GLUE's TSV (quotes are text), the original JSON lines {"sentence1", "sentence2", "gold_label"},
// or {"premise", "hypothesis", "label"} lines (SuperGLUE's for RTE). ANLI's own call the premise
// "context" and the labels e, n, c. A gold label "-" marks an example that the annotators did not
// agree on.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Nli : public Task {
 public:
  Nli(std::string name, std::vector<std::string> labels)
      : name_(std::move(name)), labels_(std::move(labels)) {}
  // With other names of the premise and the labels.
  Nli(std::string name, std::vector<std::string> labels, std::vector<std::string> premise,
      LabelMap aliases)
      : name_(std::move(name)),
        labels_(std::move(labels)),
        premise_(std::move(premise)),
        aliases_(std::move(aliases)) {}
  std::string name() const override { return name_; }
  std::vector<std::string> segment_names() const override { return {"premise", "hypothesis"}; }
  std::vector<std::string> labels() const override { return labels_; }
  LabelMap label_aliases() const override { return aliases_; }
  std::vector<std::string> no_gold_labels() const override { return {"-"}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with premise, hypothesis, label or sentence1, sentence2, "
           "gold_label";
  }
  FieldNames fields() const override {
    return {.segments = {premise_, {"hypothesis", "sentence2"}},
            .label = {"label", "gold_label"},
            .id = {"pairID", "uid", "id", "idx", "index"}};
  }
  // T5's of MNLI, whose classes these are, and GLUE's of RTE.
  Prompts prompts() const override {
    if (labels_.size() == 2) return {.parts = {{0, "rte sentence1: "}, {1, "sentence2: "}}};
    return {.parts = {{1, "mnli hypothesis: "}, {0, "premise: "}}};
  }

 private:
  std::string name_;
  std::vector<std::string> labels_, premise_{"premise", "sentence1"};
  LabelMap aliases_;
};

const std::vector<std::string> kThreeClasses = {"entailment", "neutral", "contradiction"};

}  // namespace

const Task& anli_task() {
  static const Nli task("anli", kThreeClasses, {"context", "premise"},
                        {{"e", "entailment"}, {"n", "neutral"}, {"c", "contradiction"}});
  return task;
}

const Task& mnli_task() {
  static const Nli task("mnli", kThreeClasses);
  return task;
}

const Task& snli_task() {
  static const Nli task("snli", kThreeClasses);
  return task;
}

const Task& rte_task() {
  static const Nli task("rte", {"entailment", "not_entailment"});
  return task;
}

}  // namespace lait
