// eval/: metrics, FLOPs, reports; the programs lait-eval and lait-predict.
//
// A model scored on a data set: one row of a report, and the outcomes that pair it with other rows.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "eval/flops.h"
#include "eval/intervals.h"
#include "lait/data/task.h"
#include "lait/predict/predictor.h"

namespace lait {

struct NamedInterval {
  std::string metric;
  Interval interval;
};

// Metric by metric, this row's minus the reference's on the same examples.
struct Difference {
  std::string reference;  // its checkpoint
  std::vector<NamedInterval> metrics;
};

struct EvaluationNames {
  std::string checkpoint;  // path
  std::string task;
  std::string split;                 // "validation", "test", or the files' names
  std::vector<std::string> files{};  // of the examples
  uint32_t checksum = 0;  // of the examples (lait/data/example.h): rows with the same are compared
};

struct Evaluation {
  EvaluationNames names;
  Schedule schedule;
  int64_t independent_layers = 0;      // P
  std::string segment_format;          // "standalone" or "pair"
  std::string pooling;                 // as in a config
  std::string precision;               // "fp32" or "bf16"
  std::vector<NamedInterval> metrics;  // the task's, in its order
  int64_t examples = 0;
  int64_t sequences = 0;            // distinct segments (pair format: examples)
  int64_t truncated_sequences = 0;  // of them, those that lost tokens
  FlopCounts flops;                 // per example
  double examples_per_s = 0;        // packing and model, without reading and tokenizing
  std::optional<Difference> difference_to_p0;
  std::vector<Outcome> outcomes;  // in the data set's order; not part of reports
};

// What reports call a row's checkpoint: its folder's name, a run's for "RUN/best", KEY=VALUE without the key's head for a
// sweep's run.
std::string display_name(const Evaluation& row);
// "standalone, cls_segments"
std::string kind_name(const Evaluation& row);

// The model at the schedule of `spec`, which need not be the one that it was trained with. nullopt where
// options.should_stop said so. Throws UserError: an empty data set, examples without labels, a model whose logits are
// not finite.
std::optional<Evaluation> evaluate(Model& model, const ModelSpec& spec, const Dataset& dataset,
                                   const std::vector<std::string>& metrics,
                                   const EvaluationNames& names, const PredictOptions& options);

// Whether the rows are of the same examples and have the same metrics: they share a table.
bool same_data(const Evaluation& a, const Evaluation& b);

// Sets difference_to_p0 of every row whose data and label numbers a row with P = 0 shares. Of several such rows the one with
// the best first metric is the reference (the strictest choice): the other rows with P = 0 are compared to it, too, and it
// alone to nothing.
void compare_to_p0(std::vector<Evaluation>& rows);

}  // namespace lait
