// The formats for one's own data, with any number of segments and with labels found in the data:
// jsonl, {"segments": ["…", "…"], "label": …, "groups": [0, 1], "id": …} lines, and table, any
// columns of CSV, TSV or JSON lines that data.columns names. The wordnet task is jsonl with fixed
// labels.
#include "lait/data/tasks.h"

namespace lait {
namespace {

std::vector<std::string> own_metrics(LabelKind labels) {
  if (labels == LabelKind::kNumber) return {"pearson", "spearman", "mse"};
  if (labels == LabelKind::kRelevance) return {"map", "mrr", "ndcg10"};
  return {"accuracy"};
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
  std::vector<std::string> metrics(LabelKind labels) const override { return own_metrics(labels); }
  std::string formats() const override {
    return "JSON lines {\"segments\": [\"…\", \"…\"], \"label\": …}, optionally with \"groups\" "
           "and \"id\"";
  }
  FieldNames fields() const override { return {.query = {"query_id"}}; }
  FileFormat format() const override { return FileFormat::kJsonLines; }

 private:
  std::string name_;
  std::vector<std::string> segment_names_, labels_;
};

class Table : public Task {
 public:
  std::string name() const override { return "table"; }
  std::vector<std::string> segment_names() const override { return {}; }
  std::vector<std::string> labels() const override { return {}; }
  bool open_labels() const override { return true; }
  std::vector<std::string> metrics(LabelKind labels) const override { return own_metrics(labels); }
  std::string formats() const override {
    return "CSV, TSV or JSON lines with the columns that data.columns names";
  }
  bool needs_columns() const override { return true; }
  FieldNames fields() const override { return {}; }
};

}  // namespace

const Task& jsonl_task() {
  static const Jsonl task("jsonl", {}, {});
  return task;
}

const Task& table_task() {
  static const Table task;
  return task;
}

const Task& wordnet_task() {
  static const Jsonl task("wordnet", {"evidence", "claim"}, {"supported", "refuted"});
  return task;
}

}  // namespace lait
