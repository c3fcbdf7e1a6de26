#include "lait/model/encoder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include "lait/model/recompute.h"

namespace lait {

at::Tensor fused_projections(LinearImpl& qkv, const at::Tensor& x, Projections which,
                             const RowNames& rows, const Randomness& randomness,
                             const ops::InputNorm& norm) {
  const int64_t width = qkv.weight.size(0) / 3;
  switch (which) {
    case Projections::kAll:
      return qkv.adapted(x, rows, randomness, norm);
    case Projections::kKeysValues:
      return qkv.outputs(x, rows, randomness, width, 2 * width, norm);
    case Projections::kQueries:
      return qkv.outputs(x, rows, randomness, 0, width, norm);
  }
  TORCH_CHECK(false, "fused_projections: unknown projections ", static_cast<int>(which));
}

void add_work(ops::AttentionUnits& units, const DeviceBatch& batch, const Work& work) {
  if (work.blocks.empty()) return;
  units.work = batch.view(work.tiles);
  units.work_blocks = work.blocks;
}

namespace {

RowNames names_of(const DeviceBatch& batch, const Level& level) {
  return {batch.view(level.row_unit_ids), batch.view(level.row_positions)};
}

// (rows, 2 H D) -> (rows, 2, H, D)
at::Tensor in_heads(const at::Tensor& kv, const ops::AttentionSpec& spec) {
  return kv.view({-1, 2, spec.heads, spec.head_dim});
}

// The sources from 2 on, whose runs begin at 0. On CUDA a call takes few sources, so there they are
// one, on the device.
void add_stored(ops::KeyRuns& keys, const std::vector<at::Tensor>& stored,
                const ops::AttentionSpec& spec) {
  if (keys.runs.is_cpu()) {
    for (const at::Tensor& one : stored) keys.sources.push_back(in_heads(one, spec));
    return;
  }
  std::vector<int64_t> begins;  // elements
  int64_t next = 0;
  for (const at::Tensor& one : stored) {
    begins.push_back(next);
    next += one.numel();
  }
  keys.sources.push_back(in_heads(at::cat(stored), spec));
  const at::Tensor source = keys.runs.select(1, 0), number = source.sub(2).clamp_min(0);
  keys.runs.select(1, 1).add_(
      at::tensor(begins).to(source.device()).index_select(0, number).mul(source.ge(2)));
  source.clamp_max_(2);
}

}  // namespace

ops::AttentionSpec EncoderImpl::spec_of(const Step& step, const StepRows& plan,
                                        const DeviceBatch& batch, ops::AttentionUnits& units) {
  ops::AttentionSpec spec = attention_spec();
  if (lexical_biases_.empty() || plan.level->scope == Scope::kSegment) return spec;
  TORCH_CHECK(plan.level->words.size == plan.level->num_rows,
              "encoder: the lexical bias needs batches with words");
  spec.lexical_bias = lexical_biases_[step.layer];
  units.q_words = batch.view(plan.read != nullptr ? plan.read->words : plan.level->words);
  units.k_words = batch.view(plan.level->k_words());
  return spec;
}

at::Tensor EncoderImpl::attend(const Step& step, const at::Tensor& q, const at::Tensor& x,
                               const at::Tensor& kept, const ops::AttentionUnits& units,
                               const ops::AttentionSpec& spec, const DeviceBatch& batch,
                               const Randomness& keyed, const RunHooks& hooks) {
  const StepRows plan = rows_of(batch.packed, step);
  const kernels::Dropout dropout = keyed.at(attention_dropout(), kernels::Site::kAttention);
  const auto project = [&](const at::Tensor& rows, const RowNames& names) {
    return layers_[step.layer]->project(rows, Projections::kKeysValues, names, keyed);
  };
  at::Tensor own = project(x, names_of(batch, *plan.entering)), others;
  if (plan.kept != nullptr && plan.kept->num_rows > 0) {
    others =
        project(kept, {batch.view(plan.kept->row_unit_ids), batch.view(plan.kept->row_positions)});
  }
  const auto& of_level = plan.level->kept;
  if (of_level && of_level->run_offsets.size > 0) {
    ops::KeyRuns keys;
    keys.sources = {in_heads(own, spec), in_heads(others.defined() ? others : own, spec)};
    keys.runs = batch.view(step.joins ? of_level->runs_at_join : of_level->runs)
                    .to(at::kLong)
                    .view({-1, 3});
    keys.runs.select(1, 1).mul_(2 * spec.heads * spec.head_dim);  // elements
    if (!of_level->stored.empty()) add_stored(keys, hooks.stored_keys_values(step), spec);
    keys.run_offsets = batch.view(of_level->run_offsets);
    return ops::segment_attention_runs(q, keys, units, spec, dropout);
  }
  if (others.defined()) own = at::cat({own, others});
  if (of_level) {
    own = gather(own, batch, step.joins ? of_level->keys_at_join : of_level->keys);
  } else if (step.joins) {
    own = gather(own, batch, plan.level->from_previous);
  }
  return ops::segment_attention_kvpacked(q, in_heads(own, spec), units, spec, dropout);
}

at::Tensor EncoderImpl::run_step(const Step& step, const at::Tensor& x, const at::Tensor& kept,
                                 const DeviceBatch& batch, const Randomness& randomness,
                                 const RunHooks& hooks) {
  const StepRows plan = rows_of(batch.packed, step);
  const Level& level = *plan.level;
  EncoderLayerImpl& layer = *layers_[step.layer];
  Randomness keyed = randomness.of_layer(step.layer);
  keyed.training = keyed.training && !frozen_.layer(step.layer);
  const kernels::Dropout dropout = keyed.at(attention_dropout(), kernels::Site::kAttention);
  const auto joined = [&](const at::Tensor& rows) {
    return step.joins ? gather(rows, batch, level.from_previous) : rows;
  };

  const at::Tensor k_offsets = batch.view(level.k_offsets()), unit_ids = batch.view(level.unit_ids);
  ops::AttentionUnits units;
  RowNames names = names_of(batch, level);
  if (plan.read != nullptr) {
    const at::Tensor positions = batch.view(plan.read->row_positions);
    units = {batch.view(plan.read->q_offsets), k_offsets, positions, unit_ids};
    add_work(units, batch, plan.read->work);
    names = {batch.view(plan.read->row_unit_ids), positions};
  } else {
    units = {batch.view(level.offsets), k_offsets, std::nullopt, unit_ids};
    // The first segment's rows are the first keys.
    if (level.kept) units.q_positions = names.positions;
    add_work(units, batch, level.work);
  }
  const ops::AttentionSpec spec = spec_of(step, plan, batch, units);
  const int64_t heads = spec.heads, dim = spec.head_dim;

  const RowNames entering = names_of(batch, *plan.entering);
  if (plan.read == nullptr && !level.kept) {
    const at::Tensor all =
        joined(layer.project(x, Projections::kAll, entering, keyed)).view({-1, 3, heads, dim});
    const at::Tensor context = ops::segment_attention_qkvpacked(all, units, spec, dropout);
    return layer.finish(context.view({-1, heads * dim}), joined(x), names, keyed);
  }
  // Keys and values of all rows; queries and what follows only for the rows that are computed.
  const Gather* made = plan.read != nullptr       ? &plan.read->gather
                       : step.joins && level.kept ? &level.from_previous
                                                  : nullptr;
  at::Tensor q, residual;
  if (made != nullptr) {
    residual = gather(x, batch, *made);
    // As the rows are called where they enter, whether all or few of them are computed.
    RowNames read = names;
    if (step.joins && keyed.training) {
      const at::Tensor from = batch.view(made->index).clamp_min(0);
      read = {entering.unit_ids.index_select(0, from), entering.positions.index_select(0, from)};
    }
    q = layer.project(residual, Projections::kQueries, read, keyed);
  } else {
    q = joined(layer.project(x, Projections::kQueries, entering, keyed));
    residual = joined(x);
  }
  const at::Tensor context =
      attend(step, q.view({-1, heads, dim}), x, kept, units, spec, batch, keyed, hooks);
  return layer.finish(context.view({-1, heads * dim}), residual, names, keyed);
}

// The leaves that a step reads.
std::vector<at::Tensor> EncoderImpl::leaves_of(const Step& step) {
  std::vector<at::Tensor> leaves = layers_[step.layer]->parameters();
  if (const at::Tensor table = attention_spec().bias.table; table.defined())
    leaves.push_back(table);
  if (!lexical_biases_.empty()) leaves.push_back(lexical_biases_[step.layer]);
  return leaves;
}

EncoderStates EncoderImpl::run(EncoderStates in, const DeviceBatch& batch, size_t first, size_t end,
                               const Randomness& randomness, const RunHooks& hooks) {
  const PackedBatch& packed = batch.packed;
  const bool wants_means = packed.reads.means != Reads::Means::kNone;
  EncoderStates out = std::move(in);
  for (size_t s = first; s < end; ++s) {
    const Step& step = packed.steps[s];
    if (wants_means && s == packed.means_step && !out.segment_means.defined()) {
      const Level& entering = *rows_of(packed, step).entering;
      out.segment_means = ops::unit_mean(out.rows, batch.view(entering.segment_offsets));
    }
    const StepRows plan = rows_of(packed, step);
    // Without a one-sided stage, and with one segment in each example, there are none.
    const bool keeps = plan.level->kept && plan.level->kept->num_rows > 0;
    if (keeps && step.joins && !step.last)
      out.kept = gather(out.rows, batch, plan.level->kept->rows);
    if (recompute_ && at::GradMode::is_enabled()) {
      std::vector<at::Tensor> inputs{out.rows};
      if (out.kept.defined()) inputs.push_back(out.kept);
      out.rows = recomputed(
          [this, &step, &batch, randomness,
           stored = hooks.stored_keys_values](const std::vector<at::Tensor>& in) {
            return run_step(step, in[0], in.size() > 1 ? in[1] : at::Tensor(), batch, randomness,
                            {.stored_keys_values = stored});
          },
          inputs, leaves_of(step));
    } else {
      out.rows = run_step(step, out.rows, out.kept, batch, randomness, hooks);
    }
    if (hooks.on_states) hooks.on_states(step, out.rows);
  }
  if (end == packed.steps.size() && end > first) {
    const StepRows last = rows_of(packed, packed.steps.back());
    const RowNames names{
        batch.view(last.read ? last.read->row_unit_ids : last.level->row_unit_ids),
        batch.view(last.read ? last.read->row_positions : last.level->row_positions)};
    Randomness keyed = randomness;
    keyed.training = keyed.training && !frozen_.layer(packed.steps.back().layer);
    out.rows = output(out.rows, names, keyed);
  }
  if (wants_means && packed.means_step == kFinalStates && end == packed.steps.size() &&
      !out.segment_means.defined()) {
    const Slice& segments =
        packed.read_rows ? packed.read_rows->segment_offsets : packed.levels.back().segment_offsets;
    out.segment_means = ops::unit_mean(out.rows, batch.view(segments));
  }
  return out;
}

EncoderStates EncoderImpl::run_entering(const DeviceBatch& batch, const Randomness& randomness,
                                        const RunHooks& hooks) {
  const EnteringStates& entering = *batch.entering;
  TORCH_CHECK(entering.missing.empty(), "encoder: expected all states of a batch, ",
              entering.missing.size(), " are missing");
  const size_t end = batch.packed.steps.size();
  EncoderStates states{entering.rows, entering.segment_means};
  if (entering.step == end) {
    if (batch.packed.read_rows)
      states.rows = gather(states.rows, batch, batch.packed.read_rows->gather);
    return states;
  }
  RunHooks with_stored = hooks;
  if (entering.keys_values) {
    with_stored.stored_keys_values = [&entering](const Step& step) {
      return entering.keys_values->of_layer(step.layer);
    };
  }
  return run(std::move(states), batch, entering.step, end, randomness, with_stored);
}

EncoderStates EncoderImpl::forward(const DeviceBatch& batch, const Randomness& randomness,
                                   const RunHooks& hooks) {
  if (batch.entering) return run_entering(batch, randomness, hooks);
  Randomness embedding = randomness;
  embedding.training = embedding.training && !frozen_.embeddings;
  return run({embed(batch, embedding)}, batch, 0, batch.packed.steps.size(), randomness, hooks);
}

}  // namespace lait
