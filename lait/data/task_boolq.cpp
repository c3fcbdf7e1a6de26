// BoolQ (Clark et al. 2019): a yes/no question and a passage. The original JSON lines {"question",
// "passage", "answer"} or SuperGLUE's {"question", "passage", "label"}. The answer is true or
// false; some copies have "true", "yes", 1 and so on.
#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

class BoolQ : public Task {
 public:
  std::string name() const override { return "boolq"; }
  std::vector<std::string> segment_names() const override { return {"question", "passage"}; }
  std::vector<std::string> labels() const override { return {"no", "yes"}; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines with question, passage and answer (SuperGLUE: label), true or false";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const nlohmann::json object = parse_object(line);
      Example example;
      example.segments = {text_field(object, "question"), text_field(object, "passage")};
      const char* field = object.contains("label") ? "label" : "answer";
      example.label = ClassLabel{answer(object, field) ? 1 : 0};
      if (object.contains("idx") && object["idx"].is_number_integer())
        example.id = object["idx"].dump();
      out.push_back(std::move(example));
    });
  }

 private:
  static bool answer(const nlohmann::json& object, const char* field) {
    const auto found = object.find(field);
    if (found == object.end())
      throw BadLine("expected the field \"" + std::string(field) + "\", got none");
    if (found->is_boolean()) return found->get<bool>();
    const std::string text = found->is_string() ? found->get<std::string>() : found->dump();
    for (const char* yes : {"true", "True", "yes", "1"}) {
      if (text == yes) return true;
    }
    for (const char* no : {"false", "False", "no", "0"}) {
      if (text == no) return false;
    }
    throw BadLine("expected true or false in the field \"" + std::string(field) + "\", got " +
                  shown(text));
  }
};

}  // namespace

const Task& boolq_task() {
  static const BoolQ task;
  return task;
}

}  // namespace lait
