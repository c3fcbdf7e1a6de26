// VitaminC (Schuster et al. 2021): a claim and a sentence of evidence from Wikipedia's revisions.
// JSON lines {"claim", "evidence", "label"} and an id, in the authors' and Hugging Face's form.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class VitaminC : public Task {
 public:
  std::string name() const override { return "vitaminc"; }
  std::vector<std::string> segment_names() const override { return {"claim", "evidence"}; }
  std::vector<std::string> labels() const override {
    return {"SUPPORTS", "REFUTES", "NOT ENOUGH INFO"};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy", "macro_f1"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with claim, evidence and label (SUPPORTS, REFUTES, NOT ENOUGH "
           "INFO)";
  }
  FieldNames fields() const override {
    return {.segments = {{"claim"}, {"evidence"}}, .id = {"unique_id", "id", "idx"}};
  }
};

}  // namespace

const Task& vitaminc_task() {
  static const VitaminC task;
  return task;
}

}  // namespace lait
