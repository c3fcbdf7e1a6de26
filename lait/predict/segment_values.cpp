#include "lait/predict/segment_values.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <map>
#include <utility>

#include "lait/data/batches.h"

namespace lait {
namespace {

constexpr int64_t kBatchTokens = 4096;

// The distinct segments among others.
struct Distinct {
  std::vector<size_t> segments;  // the first of its kind
  std::vector<size_t> place_of;  // of each segment, in `segments`
};
// `by_place`: a first segment is not the same as another one of that text.
Distinct distinct_of(std::span<const PlacedSegment> segments, bool by_place) {
  Distinct out;
  std::map<std::pair<std::string_view, bool>, size_t> places;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto [found, is_new] = places.try_emplace(
        {segments[i].text, segments[i].is_first && by_place}, out.segments.size());
    if (is_new) out.segments.push_back(i);
    out.place_of.push_back(found->second);
  }
  return out;
}

}  // namespace

std::vector<PlacedSegment> placed_segments(std::span<const Example> examples,
                                           const TokenizeOptions& options) {
  std::vector<PlacedSegment> out;
  for (size_t e = 0; e < examples.size(); ++e) {
    bool is_first = true;
    for (SegmentPart& part : parts_of(examples[e], options)) {
      out.push_back({std::move(part.text), is_first, e, part.segment});
      is_first = false;
    }
  }
  return out;
}

SegmentValues::SegmentValues(Model model, std::shared_ptr<const Tokenizer> tokenizer,
                             const Schedule& schedule, StoreUse use)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      plan_(value_plan(model_, schedule)),
      options_(model_->spec.tokenize_options(model_->config, *tokenizer_)),
      use_(std::move(use)),
      memory_(use_.memory_bytes),
      made_here_(made_here(model_)) {
  // Texts come with their prompts.
  options_.prompts.clear();
  if (!use_.store) {
    // Memory is this model's own: its keys only tell formats apart.
    others_.low = plan_.others.kind == plan_.first.kind ? 0 : 1;
    return;
  }
  first_ = fingerprint(model_, *tokenizer_, plan_, plan_.first);
  others_ = plan_.others.kind == plan_.first.kind
                ? first_
                : fingerprint(model_, *tokenizer_, plan_, plan_.others);
}

Digest SegmentValues::key_of(const PlacedSegment& segment) const {
  const Digest& made_with = segment.is_first ? first_ : others_;
  ContentHash hash;
  hash.add(&made_with, sizeof(made_with));
  hash.add_text(segment.text);
  return hash.digest();
}

std::shared_ptr<const SegmentValue> SegmentValues::find(const Digest& key,
                                                        const ValueFormat& format) {
  if (auto value = memory_.find(key)) {
    ++counts_.found_in_memory;
    return value;
  }
  if (!use_.store) return nullptr;
  auto value = find_stored(key, format);
  if (value) memory_.add(key, value);
  return value;
}

std::shared_ptr<const SegmentValue> SegmentValues::find_stored(const Digest& key,
                                                               const ValueFormat& format) {
  const auto stored = use_.store->find(key, made_here_);
  if (!stored) return nullptr;
  const bool is_ours = stored->made_by == made_here_;
  if (!is_ours && use_.exact) return nullptr;
  const auto value = read_value(format, {stored->owner, stored->bytes});
  if (!value) return nullptr;
  // The error must say how long it is.
  if (value->truncated && options_.on_overflow == OnOverflow::kError) return nullptr;
  if (!is_ours && std::ranges::find(other_makers_, stored->made_by) == other_makers_.end())
    other_makers_.emplace_back(stored->made_by);
  return std::make_shared<const SegmentValue>(*value);
}

std::vector<std::shared_ptr<const SegmentValue>> SegmentValues::of(
    std::span<const PlacedSegment> segments) {
  const Counts before = counts_;
  try {
    return found_or_computed(segments);
  } catch (...) {
    counts_ = before;  // it may be called again
    throw;
  }
}

std::vector<std::shared_ptr<const SegmentValue>> SegmentValues::found_or_computed(
    std::span<const PlacedSegment> segments) {
  const Distinct distinct = distinct_of(segments, plan_.first.kind != plan_.others.kind);
  std::vector<std::shared_ptr<const SegmentValue>> values(distinct.segments.size());
  std::vector<Digest> keys(distinct.segments.size());
  std::vector<size_t> missing, which;
  for (size_t p = 0; p < distinct.segments.size(); ++p) {
    const PlacedSegment& segment = segments[distinct.segments[p]];
    if (keeps()) {
      keys[p] = key_of(segment);
      values[p] = find(keys[p], format_of(segment));
    }
    if (values[p]) continue;
    missing.push_back(p);
    which.push_back(distinct.segments[p]);
  }
  counts_.found += std::ssize(distinct.segments) - std::ssize(missing);
  compute(segments, which,
          [&](size_t i, const ValueBytes& made) {
            const size_t p = missing[i];
            values[p] = std::make_shared<const SegmentValue>(
                read_value(format_of(segments[which[i]]), made).value());
            if (keeps()) memory_.add(keys[p], values[p]);
            if (!writes() || !segments[which[i]].is_stored) return;
            use_.store->append(keys[p], {made.bytes});
            has_added_ = true;
          },
          {});
  std::vector<std::shared_ptr<const SegmentValue>> out;
  for (const size_t place : distinct.place_of) out.push_back(values[place]);
  return out;
}

bool SegmentValues::add(std::span<const PlacedSegment> segments,
                        const std::function<bool()>& should_stop) {
  const Distinct distinct = distinct_of(segments, plan_.first.kind != plan_.others.kind);
  std::vector<size_t> which;
  for (const size_t i : distinct.segments) {
    const Digest key = key_of(segments[i]);
    if (!(use_.exact ? use_.store->contains(key, made_here_) : use_.store->contains(key)))
      which.push_back(i);
  }
  counts_.found += std::ssize(distinct.segments) - std::ssize(which);
  return compute(
      segments, which,
      [&](size_t i, const ValueBytes& made) {
        use_.store->append(key_of(segments[which[i]]), {made.bytes});
        has_added_ = true;
      },
      should_stop);
}

bool SegmentValues::compute(std::span<const PlacedSegment> segments, std::span<const size_t> which,
                            const std::function<void(size_t, const ValueBytes&)>& made,
                            const std::function<bool()>& should_stop) {
  if (which.empty()) return true;
  at::NoGradGuard no_grad;
  std::vector<Example> examples;
  for (const size_t i : which) {
    Example& example = examples.emplace_back();
    example.segments = {segments[i].text};
    example.groups = {0};
  }
  const Dataset dataset = [&] {
    try {
      return Dataset(examples, *tokenizer_, options_);
    } catch (const TooLong& error) {
      const size_t example = segments[which[error.example]].example;
      throw TooLong("example " + std::to_string(example + 1), example, error.problem);
    }
  }();
  PackPlan pack_plan = model_->pack_plan(plan_.schedule);
  pack_plan.reads = {.rows = Reads::Rows::kAll};
  EncoderImpl& encoder = *model_->encoder;
  for (const auto& batch : batches_by_length(dataset, kBatchTokens, BatchBy::kTokens)) {
    if (should_stop && should_stop()) return false;
    const DeviceBatch packed =
        to_device(pack(dataset, batch, pack_plan), at::Tensor(), model_->device());
    const Level& level = packed.packed.levels.front();
    const at::Tensor states =
        encoder.run({encoder.embed(packed, {})}, packed, 0, plan_.join, {}).rows;
    at::Tensor means;
    if (plan_.first.mean_width > 0)
      means = ops::unit_mean(states, packed.view(level.offsets)).cpu();
    const at::Tensor on_host = states.cpu().unsqueeze(0);
    at::Tensor keys;  // (layers, rows, 2 H D)
    const auto keys_values = [&] {
      if (keys.defined()) return keys;
      std::vector<at::Tensor> layers;
      for (const int64_t layer : plan_.joint_layers) {
        layers.push_back(
            encoder.layer(layer).project(states, Projections::kKeysValues, {}, {}).cpu());
      }
      return keys = at::stack(layers);
    };
    const int32_t* offsets = packed.packed.ints.data() + level.offsets.begin;
    const int32_t* ids = packed.packed.ints.data() + level.unit_ids.begin;
    std::map<int32_t, int64_t> unit_of;
    for (int64_t u = 0; u < level.num_units; ++u) unit_of[ids[u]] = u;
    for (const int64_t e : batch) {
      const int64_t u = unit_of.at(dataset.example(e).sequences[0]);
      const int64_t length = offsets[u + 1] - offsets[u];
      const ValueFormat& format = format_of(segments[which[e]]);
      const at::Tensor rows = format.kind == ValueFormat::Kind::kStates ? on_host : keys_values();
      const ValueBytes value = write_value(format, !dataset.example(e).truncated.empty(),
                                           means.defined() ? means[u] : at::Tensor(),
                                           rows.narrow(1, offsets[u], length));
      ++counts_.computed;
      counts_.computed_tokens += length;
      counts_.computed_bytes += std::ssize(value.bytes);
      made(static_cast<size_t>(e), value);
    }
  }
  return true;
}

void SegmentValues::commit() {
  // A batch that cannot be written is lost: there is nothing to try again.
  if (std::exchange(has_added_, false)) use_.store->commit();
}

void SegmentValues::stop_writing() {
  use_.read_only = true;
  has_added_ = false;
}

int64_t likely_tokens(size_t text_bytes, int64_t most) {
  constexpr size_t kTextPerToken = 4;  // bytes, of English
  return std::min(static_cast<int64_t>(text_bytes / kTextPerToken) + 2, most);
}

int64_t SegmentValues::likely_bytes(size_t text_bytes, bool is_first) const {
  return (is_first ? plan_.first : plan_.others)
      .bytes(likely_tokens(text_bytes, options_.max_tokens));
}

}  // namespace lait
