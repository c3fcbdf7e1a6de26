// Whether two texts mean the same: PAWS (Zhang et al. 2019), its TSV {id, sentence1, sentence2,
// label}; MRPC (Dolan and Brockett 2005), Microsoft's and GLUE's TSV {Quality, #1 ID, #2 ID, #1
// String, #2 String}; QQP {question1, question2, is_duplicate}, GLUE's TSV (quotes are text) and
// Quora's, with quoted fields. Or JSON lines of Hugging Face's field names.
#include "lait/data/tasks.h"

namespace lait {
namespace {

struct Names {
  std::string task;
  std::vector<std::string> first, second, label, id, labels;
  Prompts prompts = {};
};

class Paraphrase : public Task {
 public:
  explicit Paraphrase(Names names) : names_(std::move(names)) {}
  std::string name() const override { return names_.task; }
  std::vector<std::string> segment_names() const override {
    return {names_.first.front(), names_.second.front()};
  }
  std::vector<std::string> labels() const override { return names_.labels; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy", "f1"}; }
  std::string formats() const override {
    return "TSV, CSV or JSON lines with " + names_.first.back() + ", " + names_.second.back() +
           " and " + names_.label.back() + " (0 or 1)";
  }
  FieldNames fields() const override {
    return {.segments = {names_.first, names_.second}, .label = names_.label, .id = names_.id};
  }
  Prompts prompts() const override { return names_.prompts; }

 private:
  Names names_;
};

}  // namespace

const Task& paws_task() {
  static const Paraphrase task({.task = "paws",
                                .first = {"sentence1"},
                                .second = {"sentence2"},
                                .label = {"label"},
                                .id = {"id", "idx"},
                                .labels = {"different", "paraphrase"}});
  return task;
}

const Task& mrpc_task() {
  static const Paraphrase task(
      {.task = "mrpc",
       .first = {"sentence1", "#1 String"},
       .second = {"sentence2", "#2 String"},
       .label = {"label", "Quality"},
       .id = {"index", "id", "idx"},
       .labels = {"not_equivalent", "equivalent"},
       .prompts = {.parts = {{0, "mrpc sentence1: "}, {1, "sentence2: "}}}});
  return task;
}

const Task& qqp_task() {
  static const Paraphrase task(
      {.task = "qqp",
       .first = {"question1"},
       .second = {"question2"},
       .label = {"label", "is_duplicate"},
       .id = {"id", "idx"},
       .labels = {"not_duplicate", "duplicate"},
       .prompts = {.parts = {{0, "qqp question1: "}, {1, "question2: "}}}});
  return task;
}

}  // namespace lait
