// The arrays of a tokenized data set, in the one form in which memory and a file hold them
// (token_file.h): built as TokenArrays<Owned>, read as TokenArrays<View>.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lait/base/content_hash.h"
#include "lait/text/tokenizer.h"

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

// A part of a passage that is an example of its own: its tokens [first_token, first_token +
// num_tokens).
struct Window {
  int32_t question = 0;  // the number of the example that was given
  int32_t passage = 0;   // of the distinct passage text
  int32_t first_token = 0, num_tokens = 0;
  bool operator==(const Window&) const = default;
};

// Of what a sequence was made, by which stores find what was computed of it.
struct SequenceText {
  // hash_of_text of the first text that has these tokens; of sequences that are no text (windows,
  // pairs) a hash of their tokens.
  Digest hash;
  uint64_t lost_tokens = 0;  // 1: that text was truncated
};

template <template <class> class Array>
struct TokenArrays {
  Lists<Array, int32_t> tokens;        // of each distinct sequence
  Array<int64_t> first_lengths;        // (S) Dataset::first_segment_length
  Array<SequenceText> sequence_texts;  // (S)
  Lists<Array, int32_t> sequences;     // of each example: numbers of sequences
  Lists<Array, int32_t> groups;        // of each example, see TokenizedExample
  Lists<Array, int32_t> truncated;     // of each example, see TokenizedExample
  Lists<Array, std::byte> labels;      // of each example: label_bytes.h
  Array<int32_t> queries, passages;    // (N) of each example, see TokenizedExample
  Array<uint64_t> texts;               // (N) of each example: Dataset::text_hash
  // Empty but for data sets of windows (windows.h).
  Array<Window> windows;                   // (N)
  Lists<Array, ByteRange> answers;         // of each question: correct ones, in its passage
  Lists<Array, char> passage_texts;        // of each distinct passage: UTF-8
  Lists<Array, ByteRange> passage_tokens;  // of each distinct passage: where its tokens stand
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
  body(arrays.sequence_texts);
  list(arrays.sequences);
  list(arrays.groups);
  list(arrays.truncated);
  list(arrays.labels);
  body(arrays.queries);
  body(arrays.passages);
  body(arrays.texts);
  body(arrays.windows);
  list(arrays.answers);
  list(arrays.passage_texts);
  list(arrays.passage_tokens);
}
inline constexpr size_t kNumTokenArrays = 22;
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
