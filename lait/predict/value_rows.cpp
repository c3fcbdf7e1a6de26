#include "lait/predict/value_rows.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <unordered_map>

#include "kernels/quantize.h"

namespace lait {

void copy_rows(const SegmentValue& value, int64_t layer, at::ScalarType dtype, void* to) {
  const int64_t rows = value.rows, width = value.body.size(2);
  const at::ScalarType stored = value.body.scalar_type();
  const auto size = static_cast<int64_t>(c10::elementSize(stored));
  auto* from = static_cast<char*>(value.body.data_ptr()) + layer * rows * width * size;
  if (stored == dtype) {
    std::memcpy(to, from, static_cast<size_t>(rows * width * size));
  } else if (stored == at::kChar) {
    const int64_t groups = value.scales.size(2);
    kernels::cpu::dequantize(
        {.dtype = dtype == at::kFloat ? kernels::DType::kFloat32 : kernels::DType::kBfloat16,
         .num_groups = rows * groups,
         .group = width / groups,
         .values = reinterpret_cast<const int8_t*>(from),
         .scales = value.scales.const_data_ptr<float>() + layer * rows * groups,
         .out = to});
  } else {
    at::from_blob(to, {rows, width}, dtype).copy_(at::from_blob(from, {rows, width}, stored));
  }
}

std::shared_ptr<const SegmentValue> unpacked(std::shared_ptr<const SegmentValue> value,
                                             at::ScalarType dtype) {
  if (value->body.scalar_type() == dtype) return value;
  const auto out = std::make_shared<SegmentValue>(*value);
  out->body = at::empty(value->body.sizes(), dtype);
  out->scales = at::Tensor();
  auto* to = static_cast<char*>(out->body.mutable_data_ptr());
  const size_t layer_bytes = out->body.nbytes() / static_cast<size_t>(out->body.size(0));
  for (int64_t layer = 0; layer < out->body.size(0); ++layer)
    copy_rows(*value, layer, dtype, to + static_cast<size_t>(layer) * layer_bytes);
  return out;
}

void unpack(std::span<std::shared_ptr<const SegmentValue>> values, at::ScalarType dtype) {
  std::unordered_map<const SegmentValue*, size_t> places;
  std::vector<std::shared_ptr<const SegmentValue>> distinct;
  for (const auto& value : values) {
    if (places.try_emplace(value.get(), distinct.size()).second) distinct.push_back(value);
  }
  std::vector<std::shared_ptr<const SegmentValue>> made(distinct.size());
  at::parallel_for(0, std::ssize(distinct), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) made[i] = unpacked(distinct[i], dtype);
  });
  for (auto& value : values) value = made[places.at(value.get())];
}

std::vector<at::Tensor> layer_rows(std::span<const SegmentValue* const> values, int64_t layer,
                                   at::ScalarType dtype, at::Tensor* room) {
  std::vector<at::Tensor> out;
  std::vector<int64_t> begins;  // rows of `room`, of those that are converted
  int64_t rows = 0, width = 0;
  for (const SegmentValue* value : values) {
    const bool is_there = value->body.scalar_type() == dtype;
    out.push_back(is_there ? value->body[layer] : at::Tensor());
    begins.push_back(rows);
    if (is_there) continue;
    rows += value->rows;
    width = value->body.size(2);
  }
  if (rows == 0) return out;
  if (!room->defined() || room->numel() < rows * width) *room = at::empty({rows * width}, dtype);
  auto* to = static_cast<char*>(room->mutable_data_ptr());
  const auto row_bytes = width * static_cast<int64_t>(c10::elementSize(dtype));
  at::parallel_for(0, std::ssize(values), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (!out[i].defined()) copy_rows(*values[i], layer, dtype, to + begins[i] * row_bytes);
    }
  });
  for (size_t i = 0; i < values.size(); ++i) {
    if (!out[i].defined())
      out[i] = room->narrow(0, begins[i] * width, values[i]->rows * width).view({-1, width});
  }
  return out;
}

}  // namespace lait
