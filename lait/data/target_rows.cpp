#include "lait/data/target_rows.h"

#include "lait/data/packer.h"

namespace lait {
namespace {

std::vector<int32_t> values_of(const std::vector<int32_t>& ints, const Slice& slice,
                               int64_t count) {
  const auto begin = ints.begin() + slice.begin;
  return {begin, begin + count};
}

}  // namespace

void pack_targets(PackedBatch& batch, std::span<const TargetSequences> sequences,
                  int32_t start_token, int64_t cuda_head_dim) {
  TargetRows& out = batch.targets.emplace();
  const std::vector<int32_t> example_ids =
      values_of(batch.ints, batch.head.row_unit_ids, batch.num_examples);
  std::vector<int32_t> tokens, targets, offsets{0}, example_offsets{0}, sequence_ids, row_ids,
      positions;
  for (size_t e = 0; e < sequences.size(); ++e) {
    for (const std::vector<int32_t>& sequence : sequences[e]) {
      int32_t before = start_token;
      for (size_t i = 0; i < sequence.size(); ++i) {
        tokens.push_back(before);
        targets.push_back(before = sequence[i]);
        positions.push_back(static_cast<int32_t>(i));
      }
      offsets.push_back(static_cast<int32_t>(tokens.size()));
      sequence_ids.push_back(example_ids[e]);
    }
    row_ids.resize(tokens.size(), example_ids[e]);
    example_offsets.push_back(static_cast<int32_t>(tokens.size()));
  }
  out.num_sequences = std::ssize(sequence_ids);
  out.live_rows = std::ssize(tokens);
  out.num_rows = round_rows(out.live_rows);
  for (auto* values : {&tokens, &targets, &row_ids, &positions}) values->resize(out.num_rows, 0);
  const std::vector<int32_t> encoder_offsets =
      values_of(batch.ints, batch.head.row_offsets, batch.num_examples + 1);
  out.token_ids = put(batch, tokens);
  out.targets = put(batch, targets);
  out.offsets = put(batch, offsets);
  out.example_offsets = put(batch, example_offsets);
  out.sequence_ids = put(batch, sequence_ids);
  out.example_ids = put(batch, example_ids);
  out.row_unit_ids = put(batch, row_ids);
  out.row_positions = put(batch, positions);
  out.self_work = put_work(batch, offsets, offsets, cuda_head_dim);
  out.cross_work = put_work(batch, example_offsets, encoder_offsets, cuda_head_dim);
}

}  // namespace lait
