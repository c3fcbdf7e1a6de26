#include "eval/evaluation.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "lait/base/error.h"
#include "lait/config/enum_names.h"

namespace lait {

std::string display_name(const Evaluation& row) {
  std::filesystem::path path = std::filesystem::path(row.names.checkpoint).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename() == "best" && path.has_parent_path()) path = path.parent_path();
  const std::string name = path.filename();
  // Runs of a sweep are named KEY=VALUE. The last part of the key is enough.
  const size_t equals = name.find('='),
               dot = equals == std::string::npos ? equals : name.rfind('.', equals);
  return name.empty()               ? row.names.checkpoint
         : dot == std::string::npos ? name
                                    : name.substr(dot + 1);
}

std::string kind_name(const Evaluation& row) { return row.segment_format + ", " + row.pooling; }

void use_task_order(Evaluation& row) {
  const std::vector<std::string> order = find_task(row.names.task).labels();
  if (order.empty() || order == row.labels || order.size() != row.labels.size()) return;
  const auto number = [&](double index) {
    const std::string& label = row.labels[static_cast<size_t>(index)];
    return static_cast<double>(std::ranges::find(order, label) - order.begin());
  };
  for (Outcome& outcome : row.outcomes) {
    outcome.predicted = number(outcome.predicted);
    outcome.label = number(outcome.label);
  }
  row.labels = order;
}

std::optional<Evaluation> evaluate(Model& model, const ModelSpec& spec, const Dataset& dataset,
                                   const std::vector<std::string>& metrics,
                                   const EvaluationNames& names, const PredictOptions& options) {
  if (dataset.size() == 0) {
    throw UserError(names.task + ", " + names.split +
                    ": expected at least one example to evaluate, got none");
  }
  warm_up(model, dataset, spec.schedule, options.batch_size);
  const auto began = std::chrono::steady_clock::now();
  const std::optional<Outputs> outputs = run_model(model, dataset, spec.schedule, options);
  if (!outputs) return std::nullopt;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();

  Evaluation row{
      .names = names,
      .schedule = spec.schedule,
      .independent_layers = spec.independent_layers(),
      .segment_format = to_string(spec.format),
      .pooling = to_string(spec.pooling),
      .precision = model->compute_dtype == at::kBFloat16 ? "bf16" : "fp32",
      .metrics = {},
      .examples = dataset.size(),
      .sequences = dataset.num_sequences(),
      .truncated_examples = dataset.num_truncated(),
      .decoder_flops = mean_decoder_flops(model, dataset),
      .flops = mean_flops(dataset, model->pack_plan(spec.schedule),
                          model->config.family->costs(model->config).layer),
      .examples_per_s = static_cast<double>(dataset.size()) / seconds,
      .difference_to_p0 = {},
      .outcomes = make_outcomes(model, *outputs, dataset, names.checkpoint + ", " + names.split),
      .logits = outputs->values,
      .labels = spec.labels};
  row.examples = std::ssize(row.outcomes);
  use_task_order(row);
  for (const std::string& name : metrics)
    row.metrics.push_back({name, metric_interval(find_metric(name), row.outcomes)});
  return row;
}

bool same_data(const Evaluation& a, const Evaluation& b) {
  return a.names.task == b.names.task && a.names.split == b.names.split &&
         a.names.checksum == b.names.checksum && a.examples == b.examples &&
         std::ranges::equal(a.metrics, b.metrics, {}, &NamedInterval::metric,
                            &NamedInterval::metric);
}

namespace {

bool comparable(const Evaluation& a, const Evaluation& b) {
  return same_data(a, b) &&
         std::ranges::equal(a.outcomes, b.outcomes, {}, &Outcome::label, &Outcome::label);
}

}  // namespace

void compare_to_p0(std::vector<Evaluation>& rows) {
  for (Evaluation& row : rows) {
    const Evaluation* reference = nullptr;
    for (const Evaluation& other : rows) {
      if (other.independent_layers != 0 || other.metrics.empty() || !comparable(row, other))
        continue;
      const NamedInterval& first = other.metrics.front();
      if (reference == nullptr ||
          better(first.metric, first.interval.value, reference->metrics.front().interval.value)) {
        reference = &other;
      }
    }
    if (reference == nullptr || reference == &row) continue;
    Difference difference{.reference = reference->names.checkpoint, .metrics = {}};
    for (const NamedInterval& metric : row.metrics) {
      difference.metrics.push_back(
          {metric.metric,
           paired_difference(find_metric(metric.metric), row.outcomes, reference->outcomes)});
    }
    row.difference_to_p0 = std::move(difference);
  }
}

}  // namespace lait
