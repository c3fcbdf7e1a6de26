#include "eval/flops.h"

namespace lait {

const char* const kFlopsDefinition =
    "FLOPs per example, a multiply-add is 2: score_context = Q K^T and P V; attention adds the Q, "
    "K, V, O projections; encoder adds the FFN. full: the stock model; lait: this schedule; "
    "lait_cached: this schedule with the segments' states in a cache.";

Flops& Flops::operator+=(const Flops& other) {
  score_context += other.score_context;
  attention += other.attention;
  encoder += other.encoder;
  return *this;
}

Flops Flops::operator/(double divisor) const {
  return {score_context / divisor, attention / divisor, encoder / divisor};
}

Flops count_flops(const LayerWork& work, const LayerCosts& costs) {
  const auto queries = static_cast<double>(work.query_rows),
             keys = static_cast<double>(work.key_value_rows),
             finished = static_cast<double>(work.finished_rows);
  Flops flops;
  flops.score_context = 2 * costs.pair * static_cast<double>(work.visible_pairs);
  flops.attention = flops.score_context +
                    2 * (costs.query * queries + costs.key_value * keys + costs.output * finished);
  flops.encoder = flops.attention + 2 * costs.feed_forward * finished;
  return flops;
}

namespace {

int64_t visible_pairs(const PackedBatch& batch, const StepRows& rows) {
  const int32_t* keys = batch.ints.data() + rows.level->k_offsets().begin;
  const int32_t* queries = batch.ints.data() + (rows.read != nullptr ? rows.read->q_offsets.begin
                                                                     : rows.level->offsets.begin);
  int64_t pairs = 0;
  for (int64_t u = 0; u < rows.level->num_units; ++u) {
    pairs += int64_t{queries[u + 1] - queries[u]} * int64_t{keys[u + 1] - keys[u]};
  }
  return pairs;
}

// The steps of the encoder (EncoderImpl::run), counted instead of computed.
std::vector<LayerWork> executed_work(const PackedBatch& batch) {
  std::vector<LayerWork> layers;
  for (const Step& step : batch.steps) {
    const StepRows rows = rows_of(batch, step);
    // q, k and v are computed for the entering rows, before the join of the step. If few of them
    // are computed, q is projected for those only.
    const int64_t entering = rows.entering->live_rows, made = rows.live_made_rows();
    const bool few = rows.read != nullptr || rows.level->kept;
    layers.push_back({.query_rows = few ? made : entering,
                      .key_value_rows = rows.live_key_rows(),
                      .finished_rows = made,
                      .visible_pairs = visible_pairs(batch, rows)});
  }
  return layers;
}

}  // namespace

std::vector<LayerWork> layer_work(const Dataset& dataset, int64_t example, const PackPlan& plan,
                                  Execution execution) {
  if (execution == Execution::kFull) {
    const int64_t rows = dataset.example_length(example);
    const size_t layers = steps(plan.schedule, dataset.sequence_scope()).size();
    return std::vector<LayerWork>(layers, {rows, rows, rows, rows * rows});
  }
  PackPlan host = plan;
  host.cuda_head_dim = 0;  // nothing is run
  const PackedBatch batch = pack(dataset, std::vector<int64_t>{example}, host);
  std::vector<LayerWork> layers = executed_work(batch);
  if (execution == Execution::kLait) return layers;
  // The cache has everything that depends on single segments: the steps at their level, and the
  // projections of the step that joins them. It has nothing if the first step already has a wider
  // scope.
  if (batch.levels[0].scope != Scope::kSegment || batch.steps[0].level > 0) return layers;
  for (const Step& step : batch.steps) {
    LayerWork& work = layers[step.layer];
    if (step.level == 0) {
      work = {};
    } else if (step.joins && step.level == 1) {
      work.query_rows = work.key_value_rows = 0;
    } else if (const KeptRows* kept = rows_of(batch, step).kept; kept && step.level == 1) {
      work.key_value_rows -= kept->live_rows;
    }
  }
  return layers;
}

Flops execution_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                      const LayerCosts& costs, Execution execution) {
  Flops sum;
  for (const LayerWork& work : layer_work(dataset, example, plan, execution))
    sum += count_flops(work, costs);
  return sum;
}

Flops batch_flops(const Dataset& dataset, std::span<const int64_t> examples, const PackPlan& plan,
                  const LayerCosts& costs) {
  PackPlan host = plan;
  host.cuda_head_dim = 0;  // nothing is run
  Flops sum;
  for (const LayerWork& work : executed_work(pack(dataset, examples, host)))
    sum += count_flops(work, costs);
  return sum;
}

FlopCounts example_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                         const LayerCosts& costs) {
  const auto total = [&](Execution execution) {
    return execution_flops(dataset, example, plan, costs, execution);
  };
  return {total(Execution::kFull), total(Execution::kLait), total(Execution::kLaitCached)};
}

FlopCounts mean_flops(const Dataset& dataset, const PackPlan& plan, const LayerCosts& costs) {
  FlopCounts sum;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const FlopCounts counts = example_flops(dataset, i, plan, costs);
    sum.full += counts.full;
    sum.lait += counts.lait;
    sum.lait_cached += counts.lait_cached;
  }
  const auto size = static_cast<double>(dataset.size());
  return {sum.full / size, sum.lait / size, sum.lait_cached / size};
}

}  // namespace lait
