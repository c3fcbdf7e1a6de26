// BoolQ (Clark et al. 2019): a yes/no question and a passage. The original JSON lines {"question",
// "passage", "answer"} or SuperGLUE's {"question", "passage", "label"}. The answer is true or
// false; some copies have "True", "yes", 1 and so on.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class BoolQ : public Task {
 public:
  std::string name() const override { return "boolq"; }
  std::vector<std::string> segment_names() const override { return {"question", "passage"}; }
  std::vector<std::string> labels() const override { return {"no", "yes"}; }
  LabelMap label_aliases() const override { return {{"false", "no"}, {"true", "yes"}}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with question, passage and label or answer, true or false";
  }
  FieldNames fields() const override {
    return {.segments = {{"question"}, {"passage"}}, .label = {"answer", "label"}};
  }
};

}  // namespace

const Task& boolq_task() {
  static const BoolQ task;
  return task;
}

}  // namespace lait
