// Whether a model with a spec can take examples.
#include "lait/base/error.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "lait/model/spec.h"

namespace lait {

void check_example(const Example& example, const ModelSpec& spec) {
  const std::vector<std::string> names = find_task(spec.task).segment_names();
  const int64_t expected = names.empty() ? spec.num_segments : std::ssize(names);
  if (expected != 0 && std::ssize(example.segments) != expected) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? " (" : ", ") + name;
    throw UserError(
        "expected " + std::to_string(expected) + " segments" +
        (names.empty() ? " in every example" : list + ")") + ", got " +
        std::to_string(example.segments.size()) +
        (names.empty() ? "; train with data.num_segments: 0 if the number may differ" : ""));
  }
  if (example.segments.empty()) throw UserError("expected at least one segment, got none");
  if (example.groups.empty() && has_scope(spec.schedule, Scope::kGroup)) {
    throw UserError(
        "expected the field \"groups\", which the model's schedule has a stage for, got none");
  }
  if (spec.label_kind() == LabelKind::kRelevance && has_label(example.label) &&
      example.query.empty()) {
    throw UserError(
        "expected the field \"query_id\", since the metrics of model.head: relevance rank the "
        "passages of a query, got none; use task: ranking or jsonl");
  }
  check_pooling(spec.pooling, spec.schedule, example.segments.size() > 1,
                "give one segment, or train with another pooling or fewer independent_layers");
}

void check_examples(std::span<const Example> examples, const ModelSpec& spec) {
  for (size_t i = 0; i < examples.size(); ++i) {
    try {
      check_example(examples[i], spec);
    } catch (const UserError& error) {
      throw UserError(example_name(examples, i) + ": " + error.what());
    }
  }
}

}  // namespace lait
