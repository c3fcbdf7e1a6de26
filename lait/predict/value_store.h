// Values of segments in a store: by which keys they are found, and which of them are used.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "lait/cache/segment_store.h"
#include "lait/config/config.h"
#include "lait/predict/value_plan.h"

namespace lait {

struct StoreUse {
  std::shared_ptr<SegmentStore> store = {};  // null: nothing is stored
  // What other instructions, or another version of LibTorch, computed is not used; false: it is
  // used, and other_makers() names it.
  bool exact = false;
  // The store is only read.
  bool read_only = false;
  // What values that were used may take in memory, beside the store; 0: none is kept. Those that
  // the store has, too, are kept in the compute type, which spares converting them again; without a
  // store, as they would be stored, since one that is dropped is computed again.
  int64_t memory_bytes = 0;
  // That values are kept in. Others in the store are not used, and stay.
  ValueType type = ValueType::kAuto;
};

// For one thread at a time.
class ValueStore {
 public:
  ValueStore(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan, StoreUse use);

  // The model has other weights now than when this was made.
  void rekey(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan);
  // `text`: hash_of_text of the segment's, with its prompt. Without a store, keys only tell texts
  // and formats apart.
  Digest key(const Digest& text, bool is_first) const;
  // Null: there is none to use. Also one of a truncated segment if the model's on_overflow forbids
  // truncation, since the error must say how long it is.
  std::shared_ptr<const SegmentValue> find(const Digest& key, const ValueFormat& format);
  // Whether there is one that `find` would use, as far as is known without reading it.
  bool contains(const Digest& key) const;
  bool writes() const { return use_.store && !use_.read_only; }
  // Throw WriteError. Nothing happens if it does not write.
  void append(const Digest& key, const ValueBytes& value);
  void commit();
  // From now on the store is only read.
  void stop_writing();
  // Takes in what other processes have committed.
  void refresh();
  // Null: there is none.
  SegmentStore* store() const { return use_.store.get(); }
  // What else computed values that were used (StoredValue::made_by); empty: only what computes
  // here.
  const std::vector<std::string>& other_makers() const { return other_makers_; }

 private:
  StoreUse use_;
  OnOverflow on_overflow_;
  std::string made_here_;
  Digest first_, others_;   // fingerprints
  bool has_added_ = false;  // since the last commit
  std::vector<std::string> other_makers_;
};

}  // namespace lait
