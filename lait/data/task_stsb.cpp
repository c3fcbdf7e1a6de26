// STS-B (Cer et al. 2017): similarity of two sentences, 0 to 5; a regression. GLUE's TSV (columns
// found by the header), or the original sts-train.csv, which is tab-separated and has no header:
// genre, file, year, index, score, sentence1, sentence2, and on some lines two more columns with
// the sources. Quotes are ordinary text.
#include <algorithm>
#include <charconv>
#include <limits>

#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

constexpr double kMaxScore = 5;
// Columns of the file without a header.
constexpr size_t kScore = 4, kSentence1 = 5, kSentence2 = 6, kLeastColumns = 7, kMostColumns = 9;

class StsB : public Task {
 public:
  std::string name() const override { return "stsb"; }
  std::vector<std::string> segment_names() const override { return {"sentence1", "sentence2"}; }
  std::vector<std::string> labels() const override { return {}; }
  LabelKind label_kind() const override { return LabelKind::kNumber; }
  std::vector<std::string> metrics(LabelKind) const override {
    return {"pearson", "spearman", "mse"};
  }
  std::string formats() const override {
    return "GLUE's TSV with the columns sentence1, sentence2, score (0 to 5), or the original "
           "sts-*.csv without a header";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    std::string first = first_line(reader, file);
    const auto header = split_header(first, reader);
    auto add = [&](const std::string& first_sentence, const std::string& second,
                   const std::string& score, std::string id) {
      Example example;
      example.segments = {first_sentence, second};
      example.label = NumberLabel{number(score)};
      example.id = std::move(id);
      out.push_back(std::move(example));
    };
    if (std::ranges::find(header, "sentence1") == header.end() && header.size() >= kLeastColumns) {
      for_each_line(
          reader, file, options, counts,
          [&](const std::string& line) {
            const auto cells = split_tabs(line);
            if (cells.size() < kLeastColumns || cells.size() > kMostColumns) {
              throw BadLine("expected " + std::to_string(kLeastColumns) + " to " +
                            std::to_string(kMostColumns) + " tab-separated columns, got " +
                            std::to_string(cells.size()));
            }
            add(cells[kSentence1], cells[kSentence2], cells[kScore], "");
          },
          std::move(first));
      return;
    }
    const auto columns = find_columns(header, {"sentence1", "sentence2", "score"}, reader.where());
    const auto index = std::ranges::find(header, "index");
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const auto cells = split_cells(line, header.size());
      add(cells[columns[0]], cells[columns[1]], cells[columns[2]],
          index == header.end() ? "" : cells[static_cast<size_t>(index - header.begin())]);
    });
  }

 private:
  static double number(const std::string& text) {
    double score = std::numeric_limits<double>::quiet_NaN();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), score);
    if (error != std::errc() || end != text.data() + text.size() ||
        !(score >= 0 && score <= kMaxScore)) {
      throw BadLine("expected a score from 0 to 5, got " + shown(text));
    }
    return score;
  }
};

}  // namespace

const Task& stsb_task() {
  static const StsB task;
  return task;
}

}  // namespace lait
