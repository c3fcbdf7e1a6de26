// Ranking: the passages of a query, by relevance. JSON lines, TSV or CSV {"query_id", "query",
// "passage", "label"}, one for each passage; the label is 0 or 1, or a grade between. Without a
// query_id the query's text is its id. The metrics compare the passages of a query with each other.
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Ranking : public Task {
 public:
  std::string name() const override { return "ranking"; }
  std::vector<std::string> segment_names() const override { return {"query", "passage"}; }
  std::vector<std::string> labels() const override { return {}; }
  LabelKind label_kind() const override { return LabelKind::kRelevance; }
  double lowest_score() const override { return 0; }
  double highest_score() const override { return 1; }
  std::vector<std::string> metrics(LabelKind) const override { return {"map", "mrr", "ndcg10"}; }
  std::string formats() const override {
    return "JSON lines, TSV or CSV with query_id, query, passage and label (0 to 1)";
  }
  FieldNames fields() const override {
    return {.segments = {{"query", "question"}, {"passage", "sentence", "document"}},
            .label = {"label", "relevance"},
            .query = {"query_id"}};
  }
  void complete(Example& example) const override {
    if (example.query.empty()) example.query = example.segments.front();
  }
};

}  // namespace

const Task& ranking_task() {
  static const Ranking task;
  return task;
}

}  // namespace lait
