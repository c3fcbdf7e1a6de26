// VitaminC (Schuster et al. 2021): a claim and a sentence of evidence from Wikipedia's revisions.
// JSON lines {"claim", "evidence", "label"} and an id, in the authors' and Hugging Face's form.
#include "lait/data/task_lines.h"
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
    return "JSON lines with claim, evidence and label (SUPPORTS, REFUTES, NOT ENOUGH INFO)";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const nlohmann::json object = parse_object(line);
      Example example;
      example.segments = {text_field(object, "claim"), text_field(object, "evidence")};
      example.label = label_index(text_field(object, "label"), labels());
      if (object.contains("unique_id") && object["unique_id"].is_string())
        example.id = object["unique_id"].get<std::string>();
      out.push_back(std::move(example));
    });
  }
};

}  // namespace

const Task& vitaminc_task() {
  static const VitaminC task;
  return task;
}

}  // namespace lait
