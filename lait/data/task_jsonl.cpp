// The format for one's own data, {"segments": ["…", "…"], "label": …, "groups": [0, 1], "id": …}:
// any number of segments, labels taken from the data. The wordnet task is the same format with
// fixed labels.
#include <algorithm>

#include "lait/base/json.h"
#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

std::string label_text(const nlohmann::json& label) {
  if (label.is_string()) {
    const auto text = label.get<std::string>();
    // lait.yaml could not hold every one, and a label that ends with the "\r" of a table's line is
    // a mistake.
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      throw BadLine("expected text in the field \"label\", got a control character in it: " +
                    quote(text));
    return text;
  }
  if (label.is_number() || label.is_boolean()) return label.dump();
  throw BadLine(std::string("expected text or a number in the field \"label\", got ") +
                label.type_name());
}

void read_groups(const nlohmann::json& groups, Example& example) {
  constexpr const char* kExpected =
      "expected \"groups\": a whole number for each segment, from 0, each the one before or one "
      "more";
  if (!groups.is_array() || groups.size() != example.segments.size())
    throw BadLine(std::string(kExpected) + ", got " + shown(groups.dump()));
  for (const auto& group : groups) {
    const int64_t before = example.groups.empty() ? -1 : example.groups.back();
    const int64_t value = group.is_number_integer() ? group.get<int64_t>() : -1;
    if (value < 0 || value < before || value > before + 1)
      throw BadLine(std::string(kExpected) + ", got " + shown(groups.dump()));
    example.groups.push_back(static_cast<int32_t>(value));
  }
}

class Jsonl : public Task {
 public:
  Jsonl(std::string name, std::vector<std::string> segment_names, std::vector<std::string> labels)
      : name_(std::move(name)),
        segment_names_(std::move(segment_names)),
        labels_(std::move(labels)) {}
  std::string name() const override { return name_; }
  std::vector<std::string> segment_names() const override { return segment_names_; }
  std::vector<std::string> labels() const override { return labels_; }
  bool open_labels() const override { return labels_.empty(); }
  std::vector<std::string> metrics(LabelKind labels) const override {
    if (labels == LabelKind::kNumber) return {"pearson", "spearman", "mse"};
    return {"accuracy"};
  }
  std::string formats() const override {
    return "JSON lines {\"segments\": [\"…\", \"…\"], \"label\": …}, optionally with \"groups\" "
           "and \"id\"";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      Example example = parse(line);
      out.push_back(std::move(example));
    });
  }

 private:
  Example parse(const std::string& line) const {
    Example example = parse_segments(line);
    if (!segment_names_.empty() && example.segments.size() != segment_names_.size()) {
      throw BadLine("expected " + std::to_string(segment_names_.size()) + " segments, got " +
                    std::to_string(example.segments.size()));
    }
    if (example.label_text.empty())
      throw BadLine("expected the field \"label\", got none or an empty one");
    if (!labels_.empty()) {
      example.label = label_index(example.label_text, labels_);
      example.label_text.clear();
    }
    return example;
  }

  std::string name_;
  std::vector<std::string> segment_names_, labels_;
};

}  // namespace

Example parse_segments(const std::string& line) {
  const nlohmann::json object = parse_object(line);
  for (const auto& [key, value] : object.items()) {
    if (key != "segments" && key != "label" && key != "groups" && key != "id") {
      throw BadLine("expected the fields segments, label, groups and id, got " + shown(key));
    }
  }
  Example example;
  const auto segments = object.find("segments");
  if (segments == object.end() || !segments->is_array() || segments->empty()) {
    throw BadLine("expected \"segments\": a list of at least one text, got " +
                  (segments == object.end() ? "none" : shown(segments->dump())));
  }
  for (const auto& segment : *segments) {
    if (!segment.is_string())
      throw BadLine(std::string("expected texts in \"segments\", got ") + segment.type_name());
    example.segments.push_back(segment.get<std::string>());
  }
  if (object.contains("groups") && !object["groups"].is_null())
    read_groups(object["groups"], example);
  if (object.contains("label") && !object["label"].is_null())
    example.label_text = label_text(object["label"]);
  if (object.contains("id") && !object["id"].is_null()) {
    const auto& id = object["id"];
    if (!id.is_string() && !id.is_number_integer())
      throw BadLine(std::string("expected text or a whole number in the field \"id\", got ") +
                    id.type_name());
    example.id = id.is_string() ? id.get<std::string>() : id.dump();
  }
  return example;
}

const Task& jsonl_task() {
  static const Jsonl task("jsonl", {}, {});
  return task;
}

const Task& wordnet_task() {
  static const Jsonl task("wordnet", {"evidence", "claim"}, {"supported", "refuted"});
  return task;
}

}  // namespace lait
