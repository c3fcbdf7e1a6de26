// The states with which a batch enters the model at the join (EnteringStates), from the values of
// its segments: copied once, from where they are, into the place where they are read.
#pragma once
#include <vector>

#include "lait/model/device_batch.h"
#include "lait/predict/value_plan.h"

namespace lait {

// Values of segments, where they are, as a batch reads them.
class SegmentKeysValues : public StoredKeysValues {
 public:
  SegmentKeysValues(const ValuePlan& plan, int64_t count)
      : first_layer_(plan.joint_layers.front()),
        dtype_(plan.first.dtype),
        values_(static_cast<size_t>(count)) {}

  // Keeps its owner.
  void set(int64_t place, const SegmentValue& value) { values_[place] = value; }
  void move_to(at::Device device) { device_ = device; }
  std::vector<at::Tensor> of_layer(int64_t layer) override;

 private:
  int64_t first_layer_;
  at::ScalarType dtype_;
  at::Device device_ = at::kCPU;
  std::vector<SegmentValue> values_;
  at::Tensor room_;  // for those that are kept in another type; each layer's in turn
};

class EnteringFiller {
 public:
  // `out` gets tensors for the batch's rows, on the host, with no unit filled in. Both outlive it.
  EnteringFiller(const ValuePlan& plan, const PackedBatch& packed, EnteringStates& out);
  // Goes on with what was filled in before, wherever its tensors are.
  EnteringFiller(const PackedBatch& packed, EnteringStates& out);

  int64_t num_units() const { return std::ssize(place_); }
  // PackSequence::id.
  int32_t id(int64_t unit) const { return ids_[unit]; }
  // Whether the unit is the keys and values of a segment, not its states.
  bool is_stored(int64_t unit) const { return place_[unit] >= 0; }
  // Rows of the unit; 0 of one that is stored.
  int64_t rows(int64_t unit) const { return offsets_[unit + 1] - offsets_[unit]; }
  // Several threads may fill different units. REQUIRES: of the unit's format, with its rows.
  void fill(int64_t unit, const SegmentValue& value);

 private:
  EnteringStates& out_;
  const int32_t* ids_;
  const int32_t* offsets_;
  std::vector<int64_t> place_;  // by unit: among stored_'s; -1: it has rows
  SegmentKeysValues* stored_;   // out_'s; null: all units have rows
};

// Moves what is filled in.
void move_to(EnteringStates& states, at::Device device);

}  // namespace lait
