#include "lait/data/dataset.h"

#include <utility>

#include "lait/data/crc.h"
#include "lait/data/dataset_builder.h"
#include "lait/data/label_bytes.h"

namespace lait {
namespace {

std::shared_ptr<const TokenArrays<Owned>> tokenize(std::span<const Example> examples,
                                                   const Tokenizer& tokenizer,
                                                   const TokenizeOptions& options, int threads) {
  DatasetBuilder builder(tokenizer, options, threads);
  builder.add(examples);
  return builder.take();
}

}  // namespace

Dataset::Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
                 const TokenizeOptions& options, int threads)
    : Dataset(tokenize(examples, tokenizer, options, threads), options) {}

Dataset::Dataset(const TokenArrays<View>& arrays, const TokenizeOptions& options,
                 std::shared_ptr<const void> storage)
    : layout_(options.layout),
      sequence_scope_(options.format == SegmentFormat::kPair ? Scope::kExample : Scope::kSegment),
      arrays_(arrays),
      storage_(std::move(storage)) {
  for (int64_t i = 0; i < size(); ++i) num_truncated_ += arrays_.truncated.length(i) > 0;
}

Dataset::Dataset(std::shared_ptr<const TokenArrays<Owned>> arrays, const TokenizeOptions& options)
    : Dataset(arrays_of(bytes_of(*arrays)), options, arrays) {}

TokenizedExample Dataset::example(int64_t i) const {
  return {.sequences = arrays_.sequences[i],
          .groups = arrays_.groups[i],
          .truncated = arrays_.truncated[i],
          .label = read_label(arrays_.labels[i]),
          .query = arrays_.queries[i],
          .passage = arrays_.passages[i]};
}

int64_t Dataset::example_length(int64_t i) const {
  int64_t length = 0;
  for (int32_t sequence : arrays_.sequences[i]) length += this->length(sequence);
  return length;
}

uint32_t Dataset::checksum() const {
  Crc crc;
  crc.add(arrays_.tokens.values);
  crc.add(arrays_.tokens.begins);
  crc.add(arrays_.first_lengths);
  for (int64_t i = 0; i < size(); ++i) {
    crc.add(arrays_.sequences[i]);
    crc.add(arrays_.groups[i]);
    add_label(crc, read_label(arrays_.labels[i]));
  }
  if (has_windows()) {
    crc.add(arrays_.windows);
    crc.add(arrays_.answers.values);
    crc.add(arrays_.passage_texts.values);
  }
  return crc.value();
}

std::vector<int64_t> Dataset::class_counts(size_t num_classes) const {
  std::vector<int64_t> counts(num_classes);
  for (int64_t i = 0; i < size(); ++i) {
    const Label label = read_label(arrays_.labels[i]);
    if (const auto* known = std::get_if<ClassLabel>(&label))
      ++counts.at(static_cast<size_t>(known->index));
  }
  return counts;
}

}  // namespace lait
