// eval/: metrics, FLOPs, reports; the programs lait-eval and lait-predict.
//
// The evaluation of a model on a data set: one row of a report, and the outcomes for paired
// comparison with other rows.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "eval/decoder_flops.h"
#include "eval/flops.h"
#include "eval/intervals.h"
#include "lait/data/task.h"
#include "lait/predict/predictor.h"

namespace lait {

struct NamedInterval {
  std::string metric;
  Interval interval;
};

// For each metric, this row's value minus the reference's on the same examples.
struct Difference {
  std::string reference;  // its checkpoint
  std::vector<NamedInterval> metrics;
};

// What another type of the segments' values does (value_type_effect.h).
struct ValueTypeEffect {
  std::string type;            // "int8"
  double bytes_per_token = 0;  // of the values, with what is stored beside the rows
  std::vector<NamedInterval> metrics = {};
  std::vector<NamedInterval> differences = {};  // paired, to the exact metrics
  double largest_logit_change = 0;
  int64_t changed_labels = 0;  // examples
};

struct EvaluationNames {
  std::string checkpoint;  // path
  std::string task;
  std::string split;                 // "validation", "test", or the files' names
  std::vector<std::string> files{};  // with the examples
  // Checksum of the examples (lait/data/example.h). Only rows with equal checksums are compared.
  uint32_t checksum = 0;
  // Of the run; nullopt: unknown.
  std::optional<uint64_t> seed = {};
  // The run's config without its seed and its folder: runs with equal ones differ in their seed.
  std::string config = {};
};

struct Evaluation {
  EvaluationNames names;
  Schedule schedule;
  int64_t independent_layers = 0;      // P
  std::string segment_format;          // "standalone" or "pair"
  std::string pooling;                 // as in a config
  std::string precision;               // "fp32" or "bf16"
  std::vector<NamedInterval> metrics;  // in the task's order
  int64_t examples = 0;                // questions, if they are windows of passages
  int64_t sequences = 0;               // distinct segments (in pair format, examples)
  int64_t truncated_examples = 0;      // of which a segment lost tokens
  DecoderFlops decoder_flops = {};     // per example; zeros without a decoder
  FlopCounts flops;                    // per example
  double examples_per_s = 0;           // of packing and model, without reading and tokenizing
  std::optional<Difference> difference_to_p0;
  std::vector<Outcome> outcomes;  // in the order of the data set
  at::Tensor logits = {};         // what the outcomes were made of: the head's outputs, float
  std::vector<ValueTypeEffect> value_types = {};
  std::vector<std::string> labels{};  // of the outcomes; empty for a regression
  // Of a mean over runs (seeds.h): theirs; such a row has no outcomes.
  std::vector<uint64_t> seeds{};
  // Whether a row of means has this one in it.
  bool is_in_mean = false;
};

// The name of a row's checkpoint in reports: the name of its folder, or of the run for "RUN/best".
// For a run of a sweep, KEY=VALUE without the sections of the key.
std::string display_name(const Evaluation& row);
// "standalone, cls_segments"
std::string kind_name(const Evaluation& row);

// Runs the model at the schedule of `spec`, which can differ from the one that it was trained with.
// Returns nullopt if options.should_stop returned true. Throws UserError if the data set is empty,
// examples have no labels, or logits are not finite.
std::optional<Evaluation> evaluate(Model& model, const ModelSpec& spec, const Dataset& dataset,
                                   const std::vector<std::string>& metrics,
                                   const EvaluationNames& names, const PredictOptions& options);

// Numbers the outcomes' classes, and the labels, as the row's task does, which metrics of single
// classes go by. A checkpoint may have them in another order.
void use_task_order(Evaluation& row);

// Whether the rows have the same examples and metrics. Such rows share a table.
bool same_data(const Evaluation& a, const Evaluation& b);

// Sets difference_to_p0 of every row that has the same data and labels as a row with P = 0. If
// there are several such rows, the one with the best first metric is the reference (the strictest
// choice). The other rows with P = 0 are compared to it too; the reference itself has no
// difference.
void compare_to_p0(std::vector<Evaluation>& rows);

}  // namespace lait
