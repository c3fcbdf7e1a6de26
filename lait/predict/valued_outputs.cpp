#include "lait/predict/valued_outputs.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <unordered_map>
#include <unordered_set>

#include "lait/predict/entering_states.h"
#include "lait/predict/value_rows.h"

namespace lait {
namespace {

// Of a batch: rows of level 0, and examples.
constexpr int64_t kMostRows = 8192;
constexpr size_t kMostExamples = 1024;
// Of a layer's keys and values that are converted for a batch: what stays in a CPU's cache until
// the attention has read it.
constexpr int64_t kMostConverted = 16 << 20;

// The batch's distinct values, numbered as packing's sequences.
class Numbers {
 public:
  int32_t of(const SegmentValue* value) {
    const auto [found, is_new] = numbers_.try_emplace(value, static_cast<int32_t>(values_.size()));
    if (is_new) values_.push_back(value);
    return found->second;
  }
  const SegmentValue& operator[](int32_t number) const { return *values_[number]; }

 private:
  std::unordered_map<const SegmentValue*, int32_t> numbers_;
  std::vector<const SegmentValue*> values_;
};

}  // namespace

Outputs joint_outputs(Model& model, const ValuePlan& plan, const SegmentLayout& layout,
                      std::span<const ValuedExample> examples) {
  at::NoGradGuard no_grad;
  const bool reads_keys = plan.others.kind == ValueFormat::Kind::kKeysValues;
  Numbers numbers;
  std::vector<PackExample> to_pack;
  for (const ValuedExample& example : examples) {
    PackExample& out = to_pack.emplace_back();
    out.id = static_cast<int32_t>(to_pack.size() - 1);
    out.groups = example.groups;
    for (size_t s = 0; s < example.segments.size(); ++s) {
      const SegmentValue* value = example.segments[s].get();
      out.sequences.push_back({.id = numbers.of(value),
                               .length = value->rows,
                               .first_length = value->rows,
                               .tokens = value->tokens,
                               .stored = reads_keys && s > 0});
    }
  }
  PackPlan pack_plan = model->pack_plan(plan.schedule);
  pack_plan.enters = reads_keys ? Enters::kStatesAndKeys : Enters::kStates;
  pack_plan.key_runs = true;
  PackedBatch packed = pack(to_pack, Scope::kSegment, layout, pack_plan);
  model->head->add_targets(packed, /*labels_only=*/false, pack_plan.cuda_head_dim);
  DeviceBatch batch = to_device(std::move(packed), at::Tensor(), model->device());
  EnteringStates& entering = batch.entering.emplace();
  EnteringFiller filler(plan, batch.packed, entering);
  constexpr int64_t kGrain = 16;
  at::parallel_for(0, filler.num_units(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) filler.fill(u, numbers[filler.id(u)]);
  });
  move_to(entering, model->device());
  Outputs out = model->forward(batch, {});
  out.values = out.values.to(at::kCPU, at::kFloat).contiguous();
  return out;
}

std::optional<Outputs> outputs_of_values(Model& model, const ValuePlan& plan,
                                         const SegmentLayout& layout,
                                         std::span<const ValuedExample> examples,
                                         const ValuedOptions& options) {
  std::vector<Outputs> parts;
  const int64_t row_bytes =
      plan.others.width * static_cast<int64_t>(c10::elementSize(plan.others.dtype));
  for (size_t begin = 0; begin < examples.size();) {
    if (options.should_stop && options.should_stop()) return std::nullopt;
    size_t end = begin;
    int64_t rows = 0, converted = 0;
    std::unordered_set<const SegmentValue*> to_convert;
    for (; end < examples.size() && end - begin < kMostExamples; ++end) {
      const auto& segments = examples[end].segments;
      for (size_t s = 0; s < segments.size(); ++s) {
        if (s == 0 || plan.others.kind == ValueFormat::Kind::kStates) {
          rows += segments[s]->rows;
        } else if (segments[s]->body.scalar_type() != plan.others.dtype &&
                   to_convert.insert(segments[s].get()).second) {
          converted += segments[s]->rows * row_bytes;
        }
      }
      if ((rows > kMostRows || converted > kMostConverted) && end > begin) break;
    }
    parts.push_back(joint_outputs(model, plan, layout, examples.subspan(begin, end - begin)));
    begin = end;
    if (options.on_progress) options.on_progress(static_cast<int64_t>(end));
  }
  return concatenated(parts);
}

std::optional<ValuedOutputs> valued_outputs(Model& model, SegmentValues& values,
                                            std::span<const Example> examples,
                                            const TokenizeOptions& tokenizing,
                                            const ValuedOptions& options) {
  const std::vector<PlacedSegment> segments = placed_segments(examples, tokenizing);
  std::vector<std::shared_ptr<const SegmentValue>> found;
  try {
    found = values.of(segments);
  } catch (const TooLong& error) {
    throw TooLong(example_name(examples, error.example), error.example, error.problem);
  }
  ValuedOutputs out;
  out.truncated.resize(examples.size());
  std::vector<ValuedExample> valued(examples.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    const size_t e = segments[s].example;
    if (found[s]->truncated) out.truncated[e].push_back(segments[s].segment);
    valued[e].groups = examples[e].groups;
    valued[e].segments.push_back(std::move(found[s]));
  }
  auto outputs = outputs_of_values(model, values.plan(), tokenizing.layout, valued, options);
  values.commit();
  if (!outputs) return std::nullopt;
  out.outputs = std::move(*outputs);
  return out;
}

}  // namespace lait
