// Builds the arrays of a tokenized data set from examples, a part at a time, on several threads.
// The result does not depend on the threads or the parts: sequences are numbered as they first
// occur.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lait/base/content_hash.h"
#include "lait/data/example.h"
#include "lait/data/token_arrays.h"
#include "lait/data/token_sequences.h"
#include "lait/data/windows.h"

namespace lait {

// Numbers distinct contents from 0, as they first occur. Keeps no contents, but their hashes.
class DistinctContents {
 public:
  // The number of an equal content, or the next one.
  int32_t find_or_add(const Digest& digest);
  int64_t size() const { return static_cast<int64_t>(digests_.size()); }

 private:
  void grow();
  std::vector<Digest> digests_;  // by number
  // Numbers, each at the first free place from its digest on; -1: free. A power of two.
  std::vector<int32_t> places_ = std::vector<int32_t>(16, -1);
};

class DatasetBuilder {
 public:
  // The tokenizer must outlive the builder. Throws UserError as check_room does.
  DatasetBuilder(const Tokenizer& tokenizer, const TokenizeOptions& options, int threads);

  // Appends examples. Calls `meanwhile`, once, on one of the threads; may be null. Throws TooLong.
  void add(std::span<const Example> examples, const std::function<void()>& meanwhile = {});
  // Examples of the data set so far; of windows, if options say so.
  int64_t size() const { return arrays_->sequences.size(); }
  // Takes the tokens that were built since the last call, to be stored elsewhere.
  std::vector<int32_t> take_tokens();
  // ClassLabel{i} becomes ClassLabel{numbers[i]}.
  void number_classes(std::span<const int64_t> numbers);
  // The arrays, at the end; tokens that take_tokens took are not among them.
  std::shared_ptr<const TokenArrays<Owned>> take() { return std::move(arrays_); }

 private:
  struct Tokenized;
  void append(const Example& example, const Tokenized& tokenized);
  // The examples of the windows.
  void append_windows(const Example& example, const Tokenized& tokenized);
  // The number of the sequence, which is stored if it is new.
  int32_t add_sequence(const Sequence& sequence, const Digest& digest);
  // The end of an example, whose sequences are appended.
  void end_example(const Example& example, const Label& label, const Tokenized& tokenized);

  const Tokenizer& tokenizer_;
  TokenizeOptions options_;
  int threads_;
  DistinctContents sequences_, queries_, passages_, passage_texts_;
  size_t num_examples_ = 0;  // that were given
  std::shared_ptr<TokenArrays<Owned>> arrays_ = std::make_shared<TokenArrays<Owned>>();
};

}  // namespace lait
