#include "eval/flops.h"

namespace lait {

const char* const kFlopsDefinition =
    "FLOPs per example, a multiply-add is 2: score_context = Q K^T and P V; attention = and the Q, "
    "K, V, O projections; "
    "encoder = and the FFN. full: the stock model; lait: this schedule; lait_cached: with the "
    "segments' states in a cache.";

Flops& Flops::operator+=(const Flops& other) {
  score_context += other.score_context;
  attention += other.attention;
  encoder += other.encoder;
  return *this;
}

Flops Flops::operator/(double divisor) const {
  return {score_context / divisor, attention / divisor, encoder / divisor};
}

Flops count_flops(const LayerWork& work, const EncoderWidths& widths) {
  const auto width = static_cast<double>(widths.hidden),
             inner = static_cast<double>(widths.intermediate);
  const auto projections =
      static_cast<double>(work.query_rows + 2 * work.key_value_rows + work.finished_rows);
  Flops flops;
  flops.score_context = 4 * width * static_cast<double>(work.visible_pairs);
  flops.attention = flops.score_context + 2 * width * width * projections;
  flops.encoder = flops.attention + 4 * width * inner * static_cast<double>(work.finished_rows);
  return flops;
}

namespace {

// Pairs of rows in the same unit; with one_query a unit's first row alone asks.
int64_t visible_pairs(const PackedBatch& batch, const Level& level, bool one_query) {
  int64_t pairs = 0;
  for (int64_t u = 0; u < level.num_units; ++u) {
    const int64_t length =
        batch.ints[level.offsets.begin + u + 1] - batch.ints[level.offsets.begin + u];
    pairs += length * (one_query ? 1 : length);
  }
  return pairs;
}

int64_t num_layers(const PackPlan& plan) {
  int64_t layers = 0;
  for (const Stage& stage : plan.stages) layers += stage.num_layers;
  return layers;
}

// The encoder's own loop (BertModelImpl::forward), counting instead of computing.
std::vector<LayerWork> executed_work(const PackedBatch& batch, const PackPlan& plan) {
  std::vector<LayerWork> layers;
  const int64_t last = num_layers(plan) - 1;
  size_t level = 0;
  for (const Stage& stage : plan.stages) {
    for (int64_t i = 0; i < stage.num_layers; ++i) {
      const int64_t entering =
          batch.levels[level].live_rows;  // q, k, v are made of them, before the layer's join
      if (stage.scope > batch.levels[level].scope) ++level;
      const Level& here = batch.levels[level];
      const bool pruned =
          plan.reads_first_rows() && plan.prune_rows && static_cast<int64_t>(layers.size()) == last;
      layers.push_back({.query_rows = pruned ? here.num_units : entering,
                        .key_value_rows = entering,
                        .finished_rows = pruned ? here.num_units : here.live_rows,
                        .visible_pairs = visible_pairs(batch, here, pruned)});
    }
  }
  return layers;
}

}  // namespace

std::vector<LayerWork> layer_work(const Dataset& dataset, int64_t example, const PackPlan& plan,
                                  Execution execution) {
  if (execution == Execution::kFull) {
    const int64_t rows = dataset.example_length(example);
    return std::vector<LayerWork>(num_layers(plan), {rows, rows, rows, rows * rows});
  }
  const PackedBatch batch = pack(dataset, std::vector<int64_t>{example}, plan);
  std::vector<LayerWork> layers = executed_work(batch, plan);
  if (execution == Execution::kLait || batch.levels[0].scope != Scope::kSegment) return layers;
  int64_t independent = 0;  // layers in which a row sees its segment only
  for (const Stage& stage : plan.stages) {
    if (stage.scope != Scope::kSegment && stage.num_layers > 0) break;
    independent += stage.num_layers;
  }
  if (independent == 0) return layers;  // nothing that a cache could keep
  for (int64_t l = 0; l < independent; ++l) layers[l] = {};
  if (independent < static_cast<int64_t>(layers.size())) {
    layers[independent].query_rows = 0;
    layers[independent].key_value_rows = 0;
  }
  return layers;
}

FlopCounts example_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                         const EncoderWidths& widths) {
  auto total = [&](Execution execution) {
    Flops sum;
    for (const LayerWork& work : layer_work(dataset, example, plan, execution))
      sum += count_flops(work, widths);
    return sum;
  };
  return {total(Execution::kFull), total(Execution::kLait), total(Execution::kLaitCached)};
}

FlopCounts mean_flops(const Dataset& dataset, const PackPlan& plan, const EncoderWidths& widths) {
  FlopCounts sum;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const FlopCounts counts = example_flops(dataset, i, plan, widths);
    sum.full += counts.full;
    sum.lait += counts.lait;
    sum.lait_cached += counts.lait_cached;
  }
  const auto size = static_cast<double>(dataset.size());
  return {sum.full / size, sum.lait / size, sum.lait_cached / size};
}

}  // namespace lait
