// STS-B (Cer et al. 2017): similarity of two sentences, 0 to 5; a regression. GLUE's TSV, or the
// original sts-train.csv, which is tab-separated and has no header: genre, file, year, index,
// score, sentence1, sentence2, and on some lines two more columns with the sources. Quotes are
// ordinary text.
#include <algorithm>

#include "lait/data/tasks.h"

namespace lait {
namespace {

constexpr size_t kFewestColumns = 7, kMostColumns = 9;

class StsB : public Task {
 public:
  std::string name() const override { return "stsb"; }
  std::vector<std::string> segment_names() const override { return {"sentence1", "sentence2"}; }
  std::vector<std::string> labels() const override { return {}; }
  LabelKind label_kind() const override { return LabelKind::kNumber; }
  double lowest_score() const override { return 0; }
  double highest_score() const override { return 5; }
  std::vector<std::string> metrics(LabelKind) const override {
    return {"pearson", "spearman", "mse"};
  }
  std::string formats() const override {
    return "GLUE's TSV, or JSON lines or CSV, with sentence1, sentence2, score (0 to 5), or the "
           "original sts-*.csv without a header";
  }
  FieldNames fields() const override {
    return {.segments = {{"sentence1"}, {"sentence2"}},
            .label = {"score", "label"},
            .id = {"index", "id", "idx"}};
  }
  Prompts prompts() const override {
    return {.parts = {{0, "stsb sentence1: "}, {1, "sentence2: "}}};
  }
  std::optional<Headerless> headerless(const std::vector<std::string>& first) const override {
    const bool header = std::ranges::find(first, "sentence1") != first.end();
    if (header || first.size() < kFewestColumns || first.size() > kMostColumns) return std::nullopt;
    // The index is that of a file and a year: no id.
    return Headerless{{"genre", "file", "year", "number", "score", "sentence1", "sentence2",
                       "source1", "source2"},
                      kFewestColumns};
  }
};

}  // namespace

const Task& stsb_task() {
  static const StsB task;
  return task;
}

}  // namespace lait
