#include "lait/model/decoder.h"

namespace lait {

CrossKeys cross_keys(DecoderImpl& decoder, const at::Tensor& encoder_states,
                     const DeviceBatch& batch, const Randomness& randomness) {
  const PackedBatch& packed = batch.packed;
  const Level& last = packed.levels.back();
  CrossKeys out{
      .keys_values = decoder.cross_keys_values(
          encoder_states, {batch.view(last.row_unit_ids), batch.view(last.row_positions)},
          randomness),
      .offsets = batch.view(packed.head.row_offsets).narrow(0, 0, packed.num_examples + 1)};
  if (packed.head.rows.index.size > 0) {
    for (at::Tensor& keys_values : out.keys_values)
      keys_values = gather(keys_values, batch, packed.head.rows);
  }
  return out;
}

}  // namespace lait
