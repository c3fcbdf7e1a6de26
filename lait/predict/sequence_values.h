// Batches of a data set whose lower part is not computed: the values of its sequences come from a
// store, and enter at the join. What the store lacks is computed and added to it. The keys are
// those of prediction (SegmentValues), so that either finds what the other stored.
//
//   DeviceBatch batch = values.to_batch(dataset, examples, schedule, options);  // on any thread
//   values.complete(batch, dataset);  // where the model runs
//   model->forward(batch, randomness);
//
// The weights below the join may not change meanwhile, but for rekey().
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lait/predict/computed_values.h"
#include "lait/predict/entering_states.h"
#include "lait/predict/value_store.h"
#include "lait/ranks/ranks.h"

namespace lait {

struct SequenceValueOptions {
  StoreUse use = {};
  // The values that are added take about so many bytes at most; 0: no limit. What does not fit is
  // computed each time: dropping values that will be read again would keep none.
  uint64_t most_added_bytes = 0;
  // Called when the store is only read from now on, with the reason. May be null.
  std::function<void(const std::string&)> warn = {};
};

class SequenceValues {
 public:
  SequenceValues(Model model, const Tokenizer& tokenizer, const ValuePlan& plan,
                 SequenceValueOptions options);

  // To be called if the weights were loaded anew, before the first batch is made.
  void rekey(const Tokenizer& tokenizer) { store_.rekey(model_, tokenizer, plan_); }

  // As ModelImpl::to_batch, with the values that the store has.
  DeviceBatch to_batch(const Dataset& dataset, std::span<const int64_t> indices,
                       const Schedule& schedule, BatchOptions options = {});
  // Computes the values that the batch lacks. One thread at a time.
  void complete(DeviceBatch& batch, const Dataset& dataset);

  DeviceBatch whole_batch(const Dataset& dataset, std::span<const int64_t> indices,
                          const Schedule& schedule, const BatchOptions& options);

  // Makes what was added durable, and visible to other processes. Is called by `complete` from time
  // to time. A disk that is full is a warning.
  void commit();
  // commit() on all ranks, after which each finds what the others computed.
  void sync(Ranks& ranks);

  struct Counts {
    // Of the distinct sequences of each batch.
    int64_t found = 0, computed = 0;
    int64_t added_bytes = 0;
  };
  Counts counts() const;
  const ValuePlan& plan() const { return plan_; }
  const ValueStore& store() const { return store_; }

 private:
  struct Sequence {
    int32_t number = 0;  // of the data set
    Digest key;
    const ValueFormat* format = nullptr;
  };
  Sequence sequence_of(const Dataset& dataset, int32_t id) const;
  // In the store or among what will be committed.
  std::shared_ptr<const SegmentValue> find(const Sequence& sequence);
  void add(const Sequence& sequence, const ValueBytes& value);
  void commit_pending();
  void stop_writing(const std::string& reason);

  Model model_;
  const ValuePlan plan_;
  SequenceValueOptions options_;

  mutable std::mutex mutex_;  // of what follows
  ValueStore store_;
  // Not yet committed.
  std::unordered_map<Digest, ValueBytes, DigestHash> pending_;
  int64_t pending_bytes_ = 0;
  std::chrono::steady_clock::time_point committed_ = std::chrono::steady_clock::now();
  Counts counts_;
};

}  // namespace lait
