#include "lait/predict/segment_values.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lait/data/batches.h"
#include "lait/predict/computed_values.h"
#include "lait/predict/value_rows.h"

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

std::vector<PlacedSegment> placed_texts(std::span<const std::string> texts, int32_t segment,
                                        const TokenizeOptions& options) {
  std::vector<Example> pairs(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    pairs[i].segments.resize(2);
    pairs[i].segments[static_cast<size_t>(segment)] = texts[i];
  }
  std::vector<PlacedSegment> placed = placed_segments(pairs, options);
  std::erase_if(placed, [&](const PlacedSegment& part) { return part.segment != segment; });
  return placed;
}

SegmentValues::SegmentValues(Model model, std::shared_ptr<const Tokenizer> tokenizer,
                             const Schedule& schedule, StoreUse use)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      plan_(value_plan(model_, schedule, use.type)),
      options_(model_->spec.tokenize_options(model_->config, *tokenizer_)),
      memory_(use.memory_bytes),
      store_(model_, *tokenizer_, plan_, std::move(use)) {
  // Texts come with their prompts.
  options_.prompts.clear();
}

Digest SegmentValues::key_of(const PlacedSegment& segment) const {
  return store_.key(hash_of_text(segment.text), segment.is_first);
}

std::shared_ptr<const SegmentValue> SegmentValues::find(const Digest& key,
                                                        const ValueFormat& format) {
  if (auto value = memory_.find(key)) {
    ++counts_.found_in_memory;
    return value;
  }
  auto value = store_.find(key, format);
  return value ? remember(key, std::move(value)) : nullptr;
}

std::shared_ptr<const SegmentValue> SegmentValues::remember(
    const Digest& key, std::shared_ptr<const SegmentValue> value) {
  if (memory_.is_off()) return value;
  if (store_.store() != nullptr) value = unpacked(std::move(value), plan_.first.dtype);
  memory_.add(key, value);
  return value;
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
            values[p] = remember(keys[p], std::move(values[p]));
            if (segments[which[i]].is_stored) store_.append(keys[p], made);
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
    if (!store_.contains(key_of(segments[i]))) which.push_back(i);
  }
  counts_.found += std::ssize(distinct.segments) - std::ssize(which);
  return compute(
      segments, which,
      [&](size_t i, const ValueBytes& made) { store_.append(key_of(segments[which[i]]), made); },
      should_stop);
}

bool SegmentValues::compute(std::span<const PlacedSegment> segments, std::span<const size_t> which,
                            const std::function<void(size_t, const ValueBytes&)>& made,
                            const std::function<bool()>& should_stop) {
  if (which.empty()) return true;
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
  const PackPlan pack_plan = computing_plan(model_, plan_);
  for (const auto& batch : batches_by_length(dataset, kBatchTokens, BatchBy::kTokens)) {
    if (should_stop && should_stop()) return false;
    ComputedValues computed(
        model_, plan_, to_device(pack(dataset, batch, pack_plan), at::Tensor(), model_->device()));
    for (const int64_t e : batch) {
      const int32_t id = dataset.example(e).sequences[0];
      const ValueBytes value =
          computed.value(id, format_of(segments[which[e]]), !dataset.example(e).truncated.empty());
      ++counts_.computed;
      counts_.computed_tokens += computed.length(id);
      counts_.computed_bytes += std::ssize(value.bytes);
      made(static_cast<size_t>(e), value);
    }
  }
  return true;
}

int64_t likely_tokens(size_t text_bytes, int64_t most) {
  constexpr size_t kTextPerToken = 4;  // bytes, of English
  return std::min(static_cast<int64_t>(text_bytes / kTextPerToken) + 2, most);
}

int64_t SegmentValues::likely_bytes(size_t text_bytes, bool is_first) const {
  ValueFormat format = is_first ? plan_.first : plan_.others;
  format.stored = format.dtype;
  return format.bytes(likely_tokens(text_bytes, options_.max_tokens));
}

}  // namespace lait
