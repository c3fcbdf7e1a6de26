// The arrays of a tokenized data set, in the one form in which memory and a file hold them
// (token_file.h): built as TokenArrays<Owned>, read as TokenArrays<View>.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lait {

template <class T>
using Owned = std::vector<T>;
template <class T>
using View = std::span<const T>;

// A list of values for each of N items, one after another.
template <template <class> class Array, class T>
struct Lists {
  Array<T> values;
  Array<int64_t> begins;  // (N + 1) into values

  int64_t size() const { return static_cast<int64_t>(begins.size()) - 1; }
  int64_t length(int64_t i) const { return begins[i + 1] - begins[i]; }
  View<T> operator[](int64_t i) const {
    return View<T>(values).subspan(static_cast<size_t>(begins[i]), static_cast<size_t>(length(i)));
  }
};

template <template <class> class Array>
struct TokenArrays {
  Lists<Array, int32_t> tokens;      // of each distinct sequence
  Array<int64_t> first_lengths;      // (S) Dataset::first_segment_length
  Lists<Array, int32_t> sequences;   // of each example: numbers of sequences
  Lists<Array, int32_t> groups;      // of each example, see TokenizedExample
  Lists<Array, int32_t> truncated;   // of each example, see TokenizedExample
  Lists<Array, std::byte> labels;    // of each example: label_bytes.h
  Array<int32_t> queries, passages;  // (N) of each example, see TokenizedExample
  Array<uint64_t> texts;             // (N) of each example: Dataset::text_hash
};

// Calls body for each array, in the order in which a file has them: first the tokens, which may be
// written while the others are still built.
template <class Arrays, class Body>
void for_each_array(Arrays& arrays, const Body& body) {
  const auto list = [&](auto& lists) {
    body(lists.values);
    body(lists.begins);
  };
  list(arrays.tokens);
  body(arrays.first_lengths);
  list(arrays.sequences);
  list(arrays.groups);
  list(arrays.truncated);
  list(arrays.labels);
  body(arrays.queries);
  body(arrays.passages);
  body(arrays.texts);
}
inline constexpr size_t kNumTokenArrays = 14;
using ArrayBytes = std::array<std::span<const std::byte>, kNumTokenArrays>;

// The bytes of each array, and arrays of such bytes. The bytes are not copied.
inline ArrayBytes bytes_of(const TokenArrays<Owned>& arrays) {
  ArrayBytes bytes;
  size_t next = 0;
  for_each_array(arrays,
                 [&](const auto& array) { bytes.at(next++) = std::as_bytes(std::span(array)); });
  return bytes;
}
// REQUIRES: each array begins where its values are aligned.
inline TokenArrays<View> arrays_of(const ArrayBytes& bytes) {
  TokenArrays<View> arrays;
  size_t next = 0;
  for_each_array(arrays, [&]<class T>(std::span<const T>& array) {
    const std::span<const std::byte> from = bytes.at(next++);
    array = {reinterpret_cast<const T*>(from.data()), from.size() / sizeof(T)};
  });
  return arrays;
}

}  // namespace lait
