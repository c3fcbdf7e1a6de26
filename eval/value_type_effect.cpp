#include "eval/value_type_effect.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <algorithm>

#include "eval/report.h"
#include "eval/table.h"
#include "lait/predict/valued_outputs.h"

namespace lait {
namespace {

constexpr size_t kExamplesAtOnce = 1024;
constexpr int64_t kValueMemory = int64_t{1} << 30;  // for segments that several parts share

}  // namespace

bool has_values(const ModelSpec& spec) {
  return spec.format != SegmentFormat::kPair && !spec.window_overlap;
}

ValueTypeEffect value_type_effect(Model& model, std::shared_ptr<const Tokenizer> tokenizer,
                                  const ModelSpec& spec, std::span<const Example> examples,
                                  const Dataset& dataset, const Evaluation& exact, ValueType type) {
  const TokenizeOptions tokenizing = spec.tokenize_options(model->config, *tokenizer);
  SegmentValues values(model, std::move(tokenizer), spec.schedule,
                       {.memory_bytes = kValueMemory, .type = type});
  Outputs outputs;
  std::vector<at::Tensor> parts;
  for (size_t begin = 0; begin < examples.size(); begin += kExamplesAtOnce) {
    const size_t count = std::min(kExamplesAtOnce, examples.size() - begin);
    parts.push_back(
        valued_outputs(model, values, examples.subspan(begin, count), tokenizing)->outputs.values);
  }
  outputs.values = at::cat(parts);
  Evaluation row;
  row.names = exact.names;
  row.labels = spec.labels;
  row.outcomes = make_outcomes(model, outputs, dataset,
                               exact.names.checkpoint + ", values as " + to_string(type));
  use_task_order(row);
  ValueTypeEffect out{.type = to_string(type)};
  out.bytes_per_token = static_cast<double>(values.counts().computed_bytes) /
                        static_cast<double>(values.counts().computed_tokens);
  out.largest_logit_change = (outputs.values - exact.logits).abs().max().item<double>();
  for (const NamedInterval& m : exact.metrics) {
    const Metric& metric = find_metric(m.metric);
    out.metrics.push_back({m.metric, metric_interval(metric, row.outcomes)});
    out.differences.push_back({m.metric, paired_difference(metric, row.outcomes, exact.outcomes)});
  }
  if (spec.labels.empty()) return out;
  for (size_t i = 0; i < row.outcomes.size(); ++i)
    out.changed_labels += row.outcomes[i].predicted != exact.outcomes[i].predicted;
  return out;
}

std::string value_types_text(std::span<const Evaluation> rows, std::optional<size_t> width) {
  std::string out;
  for (const Evaluation& row : rows) {
    if (row.value_types.empty()) continue;
    const NamedInterval& exact = row.metrics.front();
    Table table{.header = {"values", "bytes/token", metric_heading(exact.metric) + " [95 %]",
                           "to the exact", "other labels", "largest change of a logit"},
                .rows = {{"not stored", "", format_interval(exact.metric, exact.interval, false),
                          "", "", ""}},
                .num_text_columns = 1};
    for (const ValueTypeEffect& effect : row.value_types) {
      table.rows.push_back(
          {effect.type, fmt::format("{:.0f}", effect.bytes_per_token),
           format_interval(exact.metric, effect.metrics.front().interval, false),
           format_interval(exact.metric, effect.differences.front().interval, true),
           row.labels.empty() ? "" : std::to_string(effect.changed_labels),
           fmt::format("{:.2g}", effect.largest_logit_change)});
    }
    out += fmt::format("\n{} (P = {}), {}: values of segments in other types\n{}",
                       display_name(row), row.independent_layers, row.names.split,
                       format_plain(table, width.value_or(std::string::npos)));
  }
  return out;
}

}  // namespace lait
