// What a store keeps of a segment: what it becomes before it meets others, which depends on the
// segment alone. The bytes of a value:
//
//   [0, 64)   rows, whether it lost tokens, and its type, int64 each
//   then      the mean of its states, if the head reads it: C floats
//   then      the body, at a multiple of 64
//   then      of int8: its scales, at a multiple of 64, a float for each group of columns
//   then      of models with a lexical bias: its tokens, at a multiple of 64, int32
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/predict/value_type.h"

namespace lait {

struct ValueFormat {
  enum class Kind {
    // The states that enter the first layer that joins segments; the final ones if none does.
    kStates,
    // Keys and values of each joint layer: of segments that one-sided stages only read.
    kKeysValues
  };
  Kind kind = Kind::kStates;
  at::ScalarType dtype = at::kFloat;   // that the model computes in: kFloat or kBFloat16
  at::ScalarType stored = at::kFloat;  // kFloat, kBFloat16 or kChar (int8)
  int64_t layers = 1;
  int64_t width = 0;       // of a row: C, or 2 H D
  int64_t group = 0;       // columns that share a scale, a divisor of width; of int8 alone
  int64_t mean_width = 0;  // C; 0: the head reads no means
  bool tokens = false;     // which the lexical bias reads

  // "keys and values of 3 layers, 768 BFloat16, mean 384": a part of the value's key. "768 Char
  // by 32": int8, whose groups have 32 columns. ", tokens" behind it: with tokens.
  std::string name() const;
  int64_t bytes(int64_t rows) const;
};

struct SegmentValue {
  int64_t rows = 0;
  // Whether the segment lost tokens.
  bool truncated = false;
  at::Tensor mean = {};  // (C) float; undefined if there is none
  at::Tensor body = {};  // (layers, rows, width), of the type `stored`, or unpacked (value_rows.h)
  at::Tensor scales = {};                // (layers, rows, width / group) float, of an int8 body
  std::span<const int32_t> tokens = {};  // (rows), or none
  // Keeps the tensors' memory.
  std::shared_ptr<const void> owner = {};
};

// Body, of the type `dtype`, and mean are on the CPU; `tokens`: if the format has them. The owner
// has the bytes.
struct ValueBytes {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};
ValueBytes write_value(const ValueFormat& format, bool truncated, const at::Tensor& mean,
                       const at::Tensor& body, std::span<const int32_t> tokens = {});
// A view of the bytes, whose begin is a multiple of 64; nullopt if they are no value of that
// format.
std::optional<SegmentValue> read_value(const ValueFormat& format, const ValueBytes& bytes);

// What a value's first bytes say of it, whatever its format; nullopt if they are of no value.
struct ValueSummary {
  std::optional<ValueType> type = {};  // nullopt: written before types were named; auto
  int64_t rows = 0;
};
std::optional<ValueSummary> summary_of(std::span<const std::byte> bytes);

}  // namespace lait
