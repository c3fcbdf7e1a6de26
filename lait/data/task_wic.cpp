// WiC (Pilehvar and Camacho-Collados 2019): whether a word has the same sense in two sentences.
// SuperGLUE's JSON lines {"word", "sentence1", "sentence2", "start1", …, "label"}. A segment is the
// word, a colon and its sentence, so that it says on its own which word is meant. Where the word
// stands (start1, end1, …) is carried to the predictions.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Wic : public Task {
 public:
  std::string name() const override { return "wic"; }
  std::vector<std::string> segment_names() const override { return {"sentence1", "sentence2"}; }
  std::vector<std::string> labels() const override { return {"false", "true"}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with word, sentence1, sentence2 and label, true or false";
  }
  FieldNames fields() const override { return {.segments = {{"sentence1"}, {"sentence2"}}}; }
  bool takes_columns() const override { return false; }
  std::vector<Record> examples_of(Record record, const TextTable* texts) const override {
    if (record.find("segments") != nullptr) return Task::examples_of(std::move(record), texts);
    const std::string word = record.text("word") + ": ";
    Record::Json example = Record::Json::object();
    record.for_each([&](const std::string& name, const Record::Json& value) {
      example[name] = name == "sentence1" || name == "sentence2"
                          ? Record::Json(word + record.text(name))
                          : value;
    });
    return records(std::move(example));
  }
};

}  // namespace

const Task& wic_task() {
  static const Wic task;
  return task;
}

}  // namespace lait
