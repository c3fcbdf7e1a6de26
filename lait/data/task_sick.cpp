// SICK (Marelli et al. 2014): sentence pairs, entailment. Tab-separated with a header; quotes are
// ordinary text.
#include <algorithm>

#include "lait/data/task_lines.h"
#include "lait/data/tasks.h"

namespace lait {
namespace {

class Sick : public Task {
 public:
  std::string name() const override { return "sick"; }
  std::vector<std::string> segment_names() const override { return {"sentence_A", "sentence_B"}; }
  std::vector<std::string> labels() const override {
    return {"ENTAILMENT", "NEUTRAL", "CONTRADICTION"};
  }
  std::vector<std::string> metrics(LabelKind) const override { return {"accuracy"}; }
  std::string formats() const override {
    return "SICK's tab-separated files with the columns pair_ID, sentence_A, sentence_B, "
           "entailment_judgment (or entailment_label)";
  }

  void read(const std::filesystem::path& file, const ReadOptions& options,
            std::vector<Example>& out, ReadCounts& counts) const override {
    LineReader reader(file);
    const auto header = split_header(first_line(reader, file), reader);
    // The complete SICK calls the column entailment_label, the shared task's files
    // entailment_judgment.
    const bool complete = std::ranges::find(header, "entailment_label") != header.end();
    const auto columns = find_columns(header,
                                      {"pair_ID", "sentence_A", "sentence_B",
                                       complete ? "entailment_label" : "entailment_judgment"},
                                      reader.where());
    for_each_line(reader, file, options, counts, [&](const std::string& line) {
      const auto cells = split_cells(line, header.size());
      Example example;
      example.segments = {cells[columns[1]], cells[columns[2]]};
      example.label = label_index(cells[columns[3]], labels());
      example.id = cells[columns[0]];
      out.push_back(std::move(example));
    });
  }
};

}  // namespace

const Task& sick_task() {
  static const Sick task;
  return task;
}

}  // namespace lait
