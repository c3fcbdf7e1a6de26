#include "train/estimate.h"

#include <algorithm>
#include <numeric>

#include "lait/model/lora.h"
#include "lait/ops/ops.h"
#include "train/batch_parts.h"
#include "train/sampler.h"
#include "train/update_rule.h"

namespace lait {
namespace {

constexpr int64_t kReal = sizeof(float);

// Bytes by part of the model: [0] embeddings and shared tables, [1 + l] layer l, the last is the
// head.
using Parts = std::vector<int64_t>;

int64_t total_of(const Parts& parts) { return std::reduce(parts.begin(), parts.end()); }

size_t part_of(const ParameterRole& role, size_t num_parts) {
  switch (role.part) {
    case ParameterRole::Part::kEncoderLayer:
      return std::min(1 + static_cast<size_t>(role.layer), num_parts - 1);
    case ParameterRole::Part::kDecoderLayer:
    case ParameterRole::Part::kTop:
    case ParameterRole::Part::kHead:
      return num_parts - 1;
    case ParameterRole::Part::kEmbedding:
    case ParameterRole::Part::kSharedTable:
      break;
  }
  return 0;
}

// What a decoder keeps for backward; saved_bytes has the rest.
int64_t decoder_bytes(const PackedBatch& batch, const Model& model) {
  if (!batch.targets) return 0;
  const DecoderCosts costs = model->config.family->decoder_costs(model->config);
  const LayerCosts& layer = costs.layer;
  const auto element = static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  const int64_t width = model->config.hidden_size, attention = layer.saved_key_value / 2,
                rows = batch.targets->num_rows, keys = batch.levels.back().num_rows;
  // The cross-attention: k and v, gathered where the head's rows are, q, context and a norm.
  const int64_t cross = (keys + batch.head.rows.index.size) * layer.saved_key_value * element +
                        rows * ((2 * attention + width) * element + kReal);
  const int64_t own = rows * ((width + layer.saved_key_value + layer.saved_made) * element +
                              layer.saved_floats * kReal);
  return costs.num_layers * (cross + own);
}

// What forward keeps for backward: the tensors saved by LibTorch's norms and activations and by the
// operators of lait/ops. Each is counted once, where it is computed, even if several nodes save it.
// Dropout recomputes its mask and saves nothing, nor does a join. Sums, casts and means are not
// saved. The integers of the batch belong to the data, not to the step.
Parts saved_bytes(const PackedBatch& batch, const Model& model) {
  const EncoderCosts costs = model->config.family->costs(model->config);
  const LayerCosts& layer = costs.layer;
  const int64_t width = model->config.hidden_size;
  const auto element = static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  Parts parts{batch.levels[0].num_rows * kReal * costs.embedding_floats};
  int64_t input_rows = batch.levels[0].num_rows;
  for (const Step& step : batch.steps) {
    const StepRows rows = rows_of(batch, step);
    const auto& kept = rows.level->kept;
    const int64_t keys = kept ? kept->keys.index.size : rows.level->num_rows,
                  made = rows.made_rows();
    int64_t bytes = input_rows * width * element + keys * layer.saved_key_value * element +
                    made * (layer.saved_made * element + layer.saved_floats * kReal);
    // The gathered rows, if queries are made of few rows only.
    if (rows.read != nullptr || (kept && step.joins)) bytes += made * width * element;
    // Gathered once for all steps.
    if (kept && step.joins && !step.last) bytes += kept->num_rows * width * element;
    parts.push_back(bytes);
    input_rows = made;
  }
  parts.push_back(batch.head.row_unit_ids.size * kReal * model->head->saved_floats() +
                  input_rows * kReal * costs.final_floats + decoder_bytes(batch, model));
  return parts;
}

// The peak of what a layer's backward needs besides saved tensors. It is reached in the second
// product of the feed-forward, where the input of the norm is already freed: the gradients of its
// rows and of the activation's output, and of the weight. If a bf16 product is computed in float
// (ops.h), its operands and result exist in float as well.
int64_t working_bytes(int64_t rows, const Model& model) {
  const LayerCosts costs = model->config.family->costs(model->config).layer;
  const int64_t width = costs.widest_in, inner = costs.widest_out;
  const bool in_float = model->compute_dtype == at::kBFloat16 && model->device().is_cpu() &&
                        !ops::cpu_has_bf16_gemm();
  const auto element = static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  return kReal * width * inner +
         rows * (in_float ? kReal * (width + inner) + element * inner : element * (width + inner));
}

// Backward goes from the head down. The activations of a part are freed as its gradients are
// computed. With accumulation, the gradients of the earlier micro-batches are always held, and a
// new gradient is computed beside the old one.
int64_t backward_bytes(const Parts& saved, const Parts& gradients, const Parts& working,
                       bool accumulates, int64_t largest_leaf) {
  int64_t held = total_of(saved), made = accumulates ? total_of(gradients) : 0, most = held + made;
  for (size_t p = saved.size(); p-- > 0;) {
    most = std::max(most, held + made + working[p]);
    held -= saved[p];
    if (!accumulates) made += gradients[p];
  }
  // The tables of the embeddings come last.
  return std::max(most, made + working[0] + (accumulates ? largest_leaf : 0));
}

// Of steps with such a micro-batch. `accumulates`: a step has several.
MemoryEstimate estimate_under(const Schedule& schedule, const Model& model, const Dataset& train,
                              const std::vector<int64_t>& micro_batch, bool accumulates,
                              const TrainingConfig& config) {
  PackPlan plan = model->pack_plan(schedule);
  plan.share_segments = batch_options(config).share_segments;
  PackedBatch packed = pack(train, micro_batch, plan);
  model->head->add_targets(packed, /*labels_only=*/true, /*cuda_head_dim=*/0);
  Parts saved = saved_bytes(packed, model);
  Parts gradients(saved.size());
  // First the gradient of the rows of the tables.
  Parts working{packed.levels[0].num_rows * model->config.hidden_size * kReal};
  for (const Step& step : packed.steps)
    working.push_back(working_bytes(rows_of(packed, step).made_rows(), model));
  working.push_back(0);

  MemoryEstimate out;
  int64_t largest_leaf = 0;
  for (const ModelParameter& parameter : model->parameter_list()) {
    const auto bytes = static_cast<int64_t>(parameter.tensor.nbytes());
    const bool layer = parameter.role.part == ParameterRole::Part::kEncoderLayer ||
                       parameter.role.part == ParameterRole::Part::kDecoderLayer;
    const bool product = parameter.role.kind == ParameterRole::Kind::kMatrix ||
                         parameter.role.kind == ParameterRole::Kind::kBias;
    const bool copied = model->compute_dtype != at::kFloat && layer && product;
    out.weights += bytes + (copied ? bytes / 2 : 0);
  }
  for (const ModelParameter& parameter : lora_parameters(*model)) {
    out.weights += static_cast<int64_t>(parameter.tensor.nbytes());
    if (!parameter.name.ends_with(".lora_A.weight")) continue;
    // What A makes. Its input is counted as the product's own. (That of a frozen product without
    // adapters is counted, too, though not saved.)
    const int64_t rows = packed.levels[packed.steps[parameter.role.layer].level].num_rows;
    saved[part_of(parameter.role, saved.size())] +=
        rows * model->lora->rank * static_cast<int64_t>(c10::elementSize(model->compute_dtype));
  }
  const auto rule = make_update_rule(config);
  for (const ModelParameter& parameter : model->trained_parameters()) {
    const auto bytes = static_cast<int64_t>(parameter.tensor.nbytes());
    out.optimizer += state_bytes(*rule, parameter);
    if (config.ema) out.weights += bytes;
    largest_leaf = std::max(largest_leaf, bytes);
    gradients[part_of(parameter.role, saved.size())] += bytes;
  }
  if (config.recompute == Switch::kOn) {
    // What a layer keeps exists only while its backward runs.
    int64_t rows = packed.levels[0].num_rows;
    for (size_t s = 0; s < packed.steps.size(); ++s) {
      working[1 + s] += saved[1 + s];
      const StepRows step = rows_of(packed, packed.steps[s]);
      // With the states that a one-sided stage keeps, which are gathered once.
      if (step.level->kept && packed.steps[s].joins) rows += step.level->kept->num_rows;
      saved[1 + s] = rows * model->config.hidden_size *
                     static_cast<int64_t>(c10::elementSize(model->compute_dtype));
      rows = step.made_rows();
    }
  }
  // Below the lowest part that is trained, nothing is saved and there is no backward.
  for (size_t p = 0; gradients[p] == 0; ++p) saved[p] = working[p] = 0;
  out.gradients = total_of(gradients);
  out.activations = total_of(saved);
  out.backward = backward_bytes(saved, gradients, working, accumulates, largest_leaf);
  for (const Level& level : packed.levels)
    out.largest_batch_rows = std::max(out.largest_batch_rows, level.num_rows);
  return out;
}

}  // namespace

MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const TrainingConfig& config) {
  return estimate_memory(model, train, epoch_batches(train, config, /*epoch=*/0), config);
}

MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const std::vector<std::vector<int64_t>>& batches,
                               const TrainingConfig& config) {
  const auto tokens = [&](const auto& batch) { return tokens_of(train, batch); };
  const auto parts = parts_of(train, *std::ranges::max_element(batches, {}, tokens), config);
  const auto& largest = *std::ranges::max_element(parts, {}, tokens);
  // Every P is estimated; the largest counts.
  MemoryEstimate out;
  for (const Schedule& schedule : model->spec.schedules()) {
    const MemoryEstimate one = estimate_under(schedule, model, train, largest,
                                              config.accumulation > 1 || parts.size() > 1, config);
    if (one.total() > out.total()) out = one;
  }
  return out;
}

}  // namespace lait
