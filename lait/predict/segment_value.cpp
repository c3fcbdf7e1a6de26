#include "lait/predict/segment_value.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "kernels/quantize.h"
#include "lait/cache/store_file.h"

namespace lait {
namespace {

// A value's parts begin where a store's records may.
constexpr auto kAlignment = static_cast<int64_t>(kStoreAlignment);

struct Head {
  int64_t rows = 0, truncated = 0;
  int64_t type = 0;  // a ValueType; 0 (auto): before types were written, the compute type
  std::byte unused[kAlignment - 3 * sizeof(int64_t)] = {};
};
static_assert(sizeof(Head) == kAlignment);

int64_t body_begin(const ValueFormat& format) {
  return kAlignment +
         static_cast<int64_t>(aligned(static_cast<uint64_t>(format.mean_width) * sizeof(float)));
}

int64_t body_bytes(const ValueFormat& format, int64_t rows) {
  return format.layers * rows * format.width *
         static_cast<int64_t>(c10::elementSize(format.stored));
}

int64_t scales_begin(const ValueFormat& format, int64_t rows) {
  return body_begin(format) +
         static_cast<int64_t>(aligned(static_cast<uint64_t>(body_bytes(format, rows))));
}

bool has_scales(const ValueFormat& format) { return format.stored == at::kChar; }

// Where body and scales end.
int64_t numbers_end(const ValueFormat& format, int64_t rows) {
  if (!has_scales(format)) return body_begin(format) + body_bytes(format, rows);
  return scales_begin(format, rows) +
         format.layers * rows * (format.width / format.group) * static_cast<int64_t>(sizeof(float));
}

int64_t tokens_begin(const ValueFormat& format, int64_t rows) {
  return static_cast<int64_t>(aligned(static_cast<uint64_t>(numbers_end(format, rows))));
}

std::vector<int64_t> scales_sizes(const ValueFormat& format, int64_t rows) {
  return {format.layers, rows, format.width / format.group};
}

void quantize(const ValueFormat& format, const at::Tensor& body, at::Tensor values,
              at::Tensor scales) {
  for (int64_t layer = 0; layer < format.layers; ++layer) {
    const at::Tensor x = body[layer].contiguous();
    const bool is_float = x.scalar_type() == at::kFloat;
    kernels::cpu::quantize(
        {.dtype = is_float ? kernels::DType::kFloat32 : kernels::DType::kBfloat16,
         .num_groups = x.numel() / format.group,
         .group = format.group,
         .x = x.const_data_ptr(),
         .values = values[layer].mutable_data_ptr<int8_t>(),
         .scales = scales[layer].mutable_data_ptr<float>()});
  }
}

}  // namespace

std::string ValueFormat::name() const {
  return (kind == Kind::kStates ? std::string("states")
                                : "keys and values of " + std::to_string(layers) + " layers") +
         ", " + std::to_string(width) + " " + c10::toString(stored) +
         (has_scales(*this) ? " by " + std::to_string(group) : "") + ", mean " +
         std::to_string(mean_width) + (tokens ? ", tokens" : "");
}

int64_t ValueFormat::bytes(int64_t rows) const {
  if (!tokens) return numbers_end(*this, rows);
  return tokens_begin(*this, rows) + rows * static_cast<int64_t>(sizeof(int32_t));
}

ValueBytes write_value(const ValueFormat& format, bool truncated, const at::Tensor& mean,
                       const at::Tensor& body, std::span<const int32_t> tokens) {
  const Head head{.rows = body.size(1),
                  .truncated = truncated,
                  .type = static_cast<int64_t>(value_type_of(format.stored))};
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
  const at::Tensor values = at::from_blob(out + body_begin(format),
                                          {format.layers, head.rows, format.width}, format.stored);
  if (has_scales(format)) {
    uint8_t* const end = out + body_begin(format) + body_bytes(format, head.rows);
    uint8_t* const scales = out + scales_begin(format, head.rows);
    std::memset(end, 0, static_cast<size_t>(scales - end));
    quantize(format, body, values,
             at::from_blob(scales, scales_sizes(format, head.rows), at::kFloat));
  } else {
    values.copy_(body);
  }
  if (format.tokens) {
    const int64_t end = numbers_end(format, head.rows), begin = tokens_begin(format, head.rows);
    std::memset(out + end, 0, static_cast<size_t>(begin - end));
    std::memcpy(out + begin, tokens.data(), tokens.size_bytes());
  }
  return {made, {reinterpret_cast<const std::byte*>(out), static_cast<size_t>(size)}};
}

std::optional<SegmentValue> read_value(const ValueFormat& format, const ValueBytes& bytes) {
  Head head;
  if (bytes.bytes.size() < sizeof(head)) return std::nullopt;
  std::memcpy(&head, bytes.bytes.data(), sizeof(head));
  const auto size = static_cast<int64_t>(bytes.bytes.size());
  const bool fits =
      head.rows > 0 && head.rows <= size / body_bytes(format, 1) && format.bytes(head.rows) == size;
  const bool is_of_type = head.type == 0
                              ? format.stored == format.dtype
                              : head.type == static_cast<int64_t>(value_type_of(format.stored));
  if (!fits || !is_of_type) return std::nullopt;
  // Nothing writes to these views.
  auto* begin = const_cast<std::byte*>(bytes.bytes.data());
  SegmentValue out{.rows = head.rows, .truncated = head.truncated != 0, .owner = bytes.owner};
  if (format.mean_width > 0)
    out.mean = at::from_blob(begin + kAlignment, {format.mean_width}, at::kFloat);
  out.body = at::from_blob(begin + body_begin(format), {format.layers, head.rows, format.width},
                           format.stored);
  if (has_scales(format)) {
    out.scales = at::from_blob(begin + scales_begin(format, head.rows),
                               scales_sizes(format, head.rows), at::kFloat);
  }
  if (format.tokens) {
    out.tokens = {reinterpret_cast<const int32_t*>(begin + tokens_begin(format, head.rows)),
                  static_cast<size_t>(head.rows)};
  }
  return out;
}

std::optional<ValueSummary> summary_of(std::span<const std::byte> bytes) {
  Head head;
  if (bytes.size() < sizeof(head)) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof(head));
  const auto num_types = std::ssize(names_of<ValueType>());
  if (head.rows <= 0 || head.rows > std::ssize(bytes)) return std::nullopt;
  if (head.type < 0 || head.type >= num_types) return std::nullopt;
  ValueSummary out{.rows = head.rows};
  if (head.type > 0) out.type = static_cast<ValueType>(head.type);
  return out;
}

}  // namespace lait
