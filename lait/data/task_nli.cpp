// MNLI and SNLI: premise, hypothesis, three classes; RTE: two classes. GLUE's TSV (columns found by
// the header; quotes are text), the original JSON lines {"sentence1", "sentence2", "gold_label"},
// or {"premise", "hypothesis", "label"} lines (SuperGLUE's for RTE). A gold label "-" marks an
// example that the annotators did not agree on: it is left out and counted.
#include <algorithm>

#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

constexpr const char* kNoGold = "-";

class Nli : public Task {
 public:
  Nli(std::string name, std::vector<std::string> labels)
      : name_(std::move(name)), labels_(std::move(labels)) {}
  std::string name() const override { return name_; }
  std::vector<std::string> segment_names() const override { return {"premise", "hypothesis"}; }
  std::vector<std::string> labels() const override { return labels_; }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "JSON lines with premise, hypothesis, label or sentence1, sentence2, gold_label; or a "
           "TSV with the columns sentence1, sentence2, gold_label or label";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    std::string first = first_line(reader, file);
    if (first[first.find_first_not_of(" \t")] == '{') {
      for_each_line(
          reader, file, options, counts,
          [&](const std::string& line) { add(json_example(line), out, counts); }, std::move(first));
      return;
    }
    const auto header = split_header(first, reader);
    const bool gold = std::ranges::find(header, "label") == header.end();
    const auto columns = find_columns(
        header, {"sentence1", "sentence2", gold ? "gold_label" : "label"}, reader.where());
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const auto cells = split_cells(line, header.size());
      Example example;
      example.segments = {cells[columns[0]], cells[columns[1]]};
      example.label_text = cells[columns[2]];
      add(std::move(example), out, counts);
    });
  }

 private:
  Example json_example(const std::string& line) const {
    const nlohmann::json object = parse_object(line);
    const bool original = object.contains("sentence1");
    Example example;
    example.segments = {text_field(object, original ? "sentence1" : "premise"),
                        text_field(object, original ? "sentence2" : "hypothesis")};
    const char* label = original ? "gold_label" : "label";
    const auto found = object.find(label);
    // Hugging Face's copies have the label's index, or -1 for no gold label.
    if (found != object.end() && found->is_number_integer()) {
      const auto index = found->get<int64_t>();
      const auto count = static_cast<int64_t>(labels_.size());
      if (index < -1 || index >= count) {
        throw BadLine("expected a label index from 0 to " + std::to_string(count - 1) + ", got " +
                      std::to_string(index));
      }
      example.label_text = index == -1 ? kNoGold : labels_[static_cast<size_t>(index)];
    } else {
      example.label_text = text_field(object, label);
    }
    if (object.contains("pairID") && object["pairID"].is_string())
      example.id = object["pairID"].get<std::string>();
    return example;
  }

  void add(Example example, std::vector<Example>& out, ReadCounts& counts) const {
    if (example.label_text == kNoGold) {
      ++counts.unlabelled;
      return;
    }
    example.label = label_index(example.label_text, labels_);
    example.label_text.clear();
    out.push_back(std::move(example));
  }

  std::string name_;
  std::vector<std::string> labels_;
};

const std::vector<std::string> kThreeClasses = {"entailment", "neutral", "contradiction"};

}  // namespace

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
