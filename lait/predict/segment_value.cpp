#include "lait/predict/segment_value.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "lait/cache/store_file.h"

namespace lait {
namespace {

// A value's parts begin where a store's records may.
constexpr auto kAlignment = static_cast<int64_t>(kStoreAlignment);

struct Head {
  int64_t rows = 0, truncated = 0;
  std::byte unused[kAlignment - 2 * sizeof(int64_t)] = {};
};
static_assert(sizeof(Head) == kAlignment);

int64_t body_begin(const ValueFormat& format) {
  return kAlignment +
         static_cast<int64_t>(aligned(static_cast<uint64_t>(format.mean_width) * sizeof(float)));
}

int64_t row_bytes(const ValueFormat& format) {
  return format.width * static_cast<int64_t>(c10::elementSize(format.dtype));
}

}  // namespace

std::string ValueFormat::name() const {
  return (kind == Kind::kStates ? std::string("states")
                                : "keys and values of " + std::to_string(layers) + " layers") +
         ", " + std::to_string(width) + " " + c10::toString(dtype) + ", mean " +
         std::to_string(mean_width);
}

int64_t ValueFormat::bytes(int64_t rows) const {
  return body_begin(*this) + layers * rows * row_bytes(*this);
}

ValueBytes write_value(const ValueFormat& format, bool truncated, const at::Tensor& mean,
                       const at::Tensor& body) {
  const Head head{.rows = body.size(1), .truncated = truncated};
  const int64_t size = format.bytes(head.rows);
  // LibTorch's allocations begin at multiples of 64.
  const auto made = std::make_shared<at::Tensor>(at::empty({size}, at::kByte));
  auto* out = made->mutable_data_ptr<uint8_t>();
  std::memset(out, 0, body_begin(format));
  std::memcpy(out, &head, sizeof(head));
  if (format.mean_width > 0) {
    const at::Tensor floats = mean.contiguous();
    std::memcpy(out + kAlignment, floats.const_data_ptr(), floats.nbytes());
  }
  at::from_blob(out + body_begin(format), {format.layers, head.rows, format.width}, format.dtype)
      .copy_(body);
  return {made, {reinterpret_cast<const std::byte*>(out), static_cast<size_t>(size)}};
}

std::optional<SegmentValue> read_value(const ValueFormat& format, const ValueBytes& bytes) {
  Head head;
  if (bytes.bytes.size() < sizeof(head)) return std::nullopt;
  std::memcpy(&head, bytes.bytes.data(), sizeof(head));
  const auto size = static_cast<int64_t>(bytes.bytes.size());
  const bool fits = head.rows > 0 && head.rows <= size / (format.layers * row_bytes(format)) &&
                    format.bytes(head.rows) == size;
  if (!fits) return std::nullopt;
  // Nothing writes to these views.
  auto* begin = const_cast<std::byte*>(bytes.bytes.data());
  SegmentValue out{.rows = head.rows, .truncated = head.truncated != 0, .owner = bytes.owner};
  if (format.mean_width > 0)
    out.mean = at::from_blob(begin + kAlignment, {format.mean_width}, at::kFloat);
  out.body = at::from_blob(begin + body_begin(format), {format.layers, head.rows, format.width},
                           format.dtype);
  return out;
}

}  // namespace lait
