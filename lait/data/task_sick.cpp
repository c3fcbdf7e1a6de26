// SICK (Marelli et al. 2014): sentence pairs, entailment. Tab-separated with a header; quotes are text like any other.
#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"
#include "lait/error.h"

namespace lait {
namespace {

class Sick : public Task {
 public:
  std::string name() const override { return "sick"; }
  std::vector<std::string> segment_names() const override { return {"sentence_A", "sentence_B"}; }
  std::vector<std::string> labels() const override { return {"ENTAILMENT", "NEUTRAL", "CONTRADICTION"}; }
  std::vector<std::string> metrics() const override { return {"accuracy"}; }
  std::string formats() const override {
    return "SICK's tab-separated files with the columns pair_ID, sentence_A, sentence_B, entailment_judgment";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options, std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    const auto header = reader.next();
    if (!header) throw UserError(file.string() + ": expected examples, got an empty file");
    const auto columns = find_columns(*header, {"pair_ID", "sentence_A", "sentence_B", "entailment_judgment"}, file);
    const size_t width = split_tabs(*header).size();
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const auto cells = split_tabs(line);
      if (cells.size() != width) {
        throw BadLine("expected " + std::to_string(width) + " tab-separated columns, got " + std::to_string(cells.size()));
      }
      Example example;
      example.segments = {cells[columns[1]], cells[columns[2]]};
      example.label = label_index(cells[columns[3]], labels());
      example.id = cells[columns[0]];
      out.push_back(std::move(example));
      ++counts.examples;
    });
  }
};

}  // namespace

const Task& sick_task() {
  static const Sick task;
  return task;
}

}  // namespace lait
