// Rows of values in the compute type. What is kept in another type (value_type.h) is converted in
// one pass, straight into where it is read.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "lait/predict/segment_value.h"

namespace lait {

// Writes the (rows, width) of a layer as `dtype`, kFloat or kBFloat16, to memory of any alignment.
void copy_rows(const SegmentValue& value, int64_t layer, at::ScalarType dtype, void* to);

// The value with its body in that type: the same one if it is already.
std::shared_ptr<const SegmentValue> unpacked(std::shared_ptr<const SegmentValue> value,
                                             at::ScalarType dtype);
// Each distinct one once, several at a time.
void unpack(std::span<std::shared_ptr<const SegmentValue>> values, at::ScalarType dtype);

// A layer of each value as (rows, width) of that type: views of the values, or of one new tensor
// whose memory `*room` keeps for the next call.
std::vector<at::Tensor> layer_rows(std::span<const SegmentValue* const> values, int64_t layer,
                                   at::ScalarType dtype, at::Tensor* room);

}  // namespace lait
