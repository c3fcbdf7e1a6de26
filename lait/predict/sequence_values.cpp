#include "lait/predict/sequence_values.h"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>

#include "lait/base/file_writer.h"

namespace lait {
namespace {

// Half of what a store holds back before it commits by itself.
constexpr int64_t kMostPendingBytes = int64_t{32} << 20;
constexpr std::chrono::seconds kMostPendingTime{10};

std::string only_read(const WriteError& error) {
  return std::string(error.what()) +
         "; the store is only read from now on, and what it lacks is computed each time";
}

}  // namespace

SequenceValues::SequenceValues(Model model, const Tokenizer& tokenizer, const ValuePlan& plan,
                               SequenceValueOptions options)
    : model_(std::move(model)),
      plan_(plan),
      options_(std::move(options)),
      store_(model_, tokenizer, plan_, options_.use) {}

SequenceValues::Sequence SequenceValues::sequence_of(const Dataset& dataset, int32_t id) const {
  const auto first_stored = static_cast<int32_t>(dataset.num_sequences());
  const bool stored = id >= first_stored;  // Enters::kStatesAndKeys
  Sequence out{.number = stored ? id - first_stored : id,
               .key = {},
               .format = stored ? &plan_.others : &plan_.first};
  out.key = store_.key(dataset.text_of(out.number).hash, /*is_first=*/!stored);
  return out;
}

std::shared_ptr<const SegmentValue> SequenceValues::find(const Sequence& sequence) {
  if (const auto pending = pending_.find(sequence.key); pending != pending_.end()) {
    if (const auto value = read_value(*sequence.format, pending->second))
      return std::make_shared<const SegmentValue>(*value);
  }
  return store_.find(sequence.key, *sequence.format);
}

DeviceBatch SequenceValues::to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                                     const Schedule& schedule, BatchOptions options) {
  options.enters = plan_.others.kind == ValueFormat::Kind::kKeysValues ? Enters::kStatesAndKeys
                                                                       : Enters::kStates;
  DeviceBatch batch = model_->to_batch(dataset, indices, schedule, options);
  EnteringStates& entering = batch.entering.emplace();
  EnteringFiller filler(plan_, batch.packed, entering);
  const std::lock_guard lock(mutex_);
  for (int64_t u = 0; u < filler.num_units(); ++u) {
    const Sequence sequence = sequence_of(dataset, filler.id(u));
    const auto value = find(sequence);
    if (value && value->rows == dataset.length(sequence.number)) {
      filler.fill(u, *value);
    } else {
      entering.missing.push_back(u);
    }
  }
  counts_.found += filler.num_units() - std::ssize(entering.missing);
  move_to(entering, model_->device());
  return batch;
}

void SequenceValues::complete(DeviceBatch& batch, const Dataset& dataset) {
  EnteringStates& entering = *batch.entering;
  if (entering.missing.empty()) return;
  EnteringFiller filler(batch.packed, entering);
  // Each distinct sequence once. Some may have been added since the batch was made.
  std::vector<PackExample> examples;
  std::unordered_set<int32_t> packed;  // their numbers
  std::vector<int64_t> units;
  {
    const std::lock_guard lock(mutex_);
    for (const int64_t u : entering.missing) {
      const Sequence sequence = sequence_of(dataset, filler.id(u));
      const auto value = find(sequence);
      if (value && value->rows == dataset.length(sequence.number)) {
        filler.fill(u, *value);
        ++counts_.found;
        continue;
      }
      units.push_back(u);
      if (!packed.insert(sequence.number).second) continue;
      static constexpr int32_t kOneGroup[] = {0};
      PackExample& example = examples.emplace_back();
      example.groups = kOneGroup;
      example.sequences.push_back({.id = sequence.number,
                                   .length = dataset.length(sequence.number),
                                   .first_length = dataset.first_segment_length(sequence.number),
                                   .tokens = dataset.tokens(sequence.number)});
    }
  }
  entering.missing.clear();
  if (units.empty()) return;
  ComputedValues computed(
      model_, plan_,
      to_device(pack(examples, Scope::kSegment, dataset.layout(), computing_plan(model_, plan_)),
                at::Tensor(), model_->device()));
  std::unordered_map<int32_t, ValueBytes> made;  // by PackSequence::id
  for (const int64_t u : units) {
    const Sequence sequence = sequence_of(dataset, filler.id(u));
    const auto [place, is_new] = made.try_emplace(filler.id(u));
    if (is_new) {
      place->second = computed.value(sequence.number, *sequence.format,
                                     dataset.text_of(sequence.number).lost_tokens != 0);
      add(sequence, place->second);
    }
    filler.fill(u, read_value(*sequence.format, place->second).value());
  }
  const auto now = std::chrono::steady_clock::now();
  if (pending_bytes_ >= kMostPendingBytes || now - committed_ >= kMostPendingTime) commit();
}

DeviceBatch SequenceValues::whole_batch(const Dataset& dataset, std::span<const int64_t> indices,
                                        const Schedule& schedule, const BatchOptions& options) {
  DeviceBatch batch = to_batch(dataset, indices, schedule, options);
  complete(batch, dataset);
  return batch;
}

void SequenceValues::add(const Sequence& sequence, const ValueBytes& value) {
  const auto bytes = std::ssize(value.bytes);
  const std::lock_guard lock(mutex_);
  ++counts_.computed;
  if (!store_.writes()) return;
  if (options_.most_added_bytes > 0 &&
      static_cast<uint64_t>(counts_.added_bytes + bytes) > options_.most_added_bytes) {
    commit_pending();
    if (!store_.writes()) return;  // it said so
    return stop_writing(
        fmt::format("cache.max_bytes: {:.1f} MB of this run's segments are stored, and no more "
                    "are; the others are computed each time",
                    static_cast<double>(counts_.added_bytes) / 1e6));
  }
  try {
    store_.append(sequence.key, value);
  } catch (const WriteError& error) {
    return stop_writing(only_read(error));
  }
  pending_.emplace(sequence.key, value);
  pending_bytes_ += bytes;
  counts_.added_bytes += bytes;
}

void SequenceValues::commit() {
  const std::lock_guard lock(mutex_);
  commit_pending();
}

void SequenceValues::commit_pending() {
  try {
    store_.commit();
  } catch (const WriteError& error) {
    counts_.added_bytes -= pending_bytes_;
    stop_writing(only_read(error));
  }
  pending_.clear();
  pending_bytes_ = 0;
  committed_ = std::chrono::steady_clock::now();
}

void SequenceValues::stop_writing(const std::string& reason) {
  store_.stop_writing();
  if (options_.warn) options_.warn(reason);
}

void SequenceValues::sync(Ranks& ranks) {
  commit();
  if (ranks.size() == 1) return;
  ranks.max(0);  // all have
  const std::lock_guard lock(mutex_);
  store_.refresh();
}

SequenceValues::Counts SequenceValues::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace lait
