#include "eval/decoder_flops.h"

namespace lait {

DecoderFlops decoder_flops(const HfConfig& config, const PackedBatch& batch) {
  if (!batch.targets) return {};
  const TargetRows& targets = *batch.targets;
  const DecoderCosts costs = config.family->decoder_costs(config);
  const LayerCosts& layer = costs.layer;
  const auto offsets = [&](const Slice& slice) { return batch.ints.data() + slice.begin; };
  const int32_t* sequence = offsets(targets.offsets);
  const int32_t *queries = offsets(targets.example_offsets),
                *keys = offsets(batch.head.row_offsets);
  double causal_pairs = 0, cross_pairs = 0;
  for (int64_t s = 0; s < targets.num_sequences; ++s) {
    const double rows = sequence[s + 1] - sequence[s];
    causal_pairs += rows * (rows + 1) / 2;
  }
  for (int64_t e = 0; e < batch.num_examples; ++e) {
    cross_pairs += static_cast<double>(queries[e + 1] - queries[e]) *
                   static_cast<double>(keys[e + 1] - keys[e]);
  }
  const auto layers = static_cast<double>(costs.num_layers),
             rows = static_cast<double>(targets.live_rows),
             encoder_rows = static_cast<double>(batch.levels.back().live_rows);
  return {.cross_attention = 2 * layers *
                             (layer.pair * cross_pairs + layer.key_value * encoder_rows +
                              (layer.query + layer.output) * rows),
          .decoder = 2 * layers *
                     (layer.pair * causal_pairs +
                      (layer.query + layer.key_value + layer.output + layer.feed_forward) * rows),
          .logits = 2 * costs.logits * rows};
}

DecoderFlops decoder_flops(const Model& model, const Dataset& dataset, int64_t example,
                           bool labels_only) {
  if (!model->decoder) return {};
  PackPlan plan = model->pack_plan(model->spec.schedule);
  plan.cuda_head_dim = 0;  // nothing is run
  PackedBatch batch = pack(dataset, std::vector<int64_t>{example}, plan);
  model->head->add_targets(batch, labels_only, /*cuda_head_dim=*/0);
  return decoder_flops(model->config, batch);
}

DecoderFlops mean_decoder_flops(const Model& model, const Dataset& dataset) {
  DecoderFlops sum;
  if (!model->decoder) return sum;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const DecoderFlops flops = decoder_flops(model, dataset, i, /*labels_only=*/false);
    sum.cross_attention += flops.cross_attention;
    sum.decoder += flops.decoder;
    sum.logits += flops.logits;
  }
  const auto size = static_cast<double>(dataset.size());
  return {sum.cross_attention / size, sum.decoder / size, sum.logits / size};
}

}  // namespace lait
