// QNLI (Wang et al. 2019): a question and a sentence that may answer it, two classes. GLUE's TSV
// (quotes are text), or JSON lines.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Qnli : public Task {
 public:
  std::string name() const override { return "qnli"; }
  std::vector<std::string> segment_names() const override { return {"question", "sentence"}; }
  std::vector<std::string> labels() const override { return {"entailment", "not_entailment"}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "GLUE's TSV, or JSON lines or CSV, with question, sentence and label (entailment, "
           "not_entailment)";
  }
  FieldNames fields() const override {
    return {.segments = {{"question"}, {"sentence"}}, .id = {"index", "id", "idx"}};
  }
  Prompts prompts() const override {
    return {.parts = {{0, "qnli question: "}, {1, "sentence: "}}};
  }
};

}  // namespace

const Task& qnli_task() {
  static const Qnli task;
  return task;
}

}  // namespace lait
