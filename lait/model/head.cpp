#include "lait/model/head.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <numbers>

namespace lait {

int64_t pooled_width(Pooling pooling, int64_t hidden_size) {
  switch (pooling) {
    case Pooling::kCls:
    case Pooling::kMean:
      return hidden_size;
    case Pooling::kSegments:
      return 4 * hidden_size;
    case Pooling::kClsSegments:
      return 5 * hidden_size;
  }
  TORCH_CHECK(false, "pooled_width: unknown pooling ", static_cast<int>(pooling));
}

PoolingHeadImpl::PoolingHeadImpl(const HfConfig& config, Pooling pooling, int64_t num_outputs,
                                 double dropout)
    : LinearImpl(pooled_width(pooling, config.hidden_size), num_outputs, at::kFloat),
      pooling_(pooling),
      dropout_(dropout) {}

void PoolingHeadImpl::initialise(uint64_t seed, double range) {
  at::NoGradGuard no_grad;
  float* w = weight.mutable_data_ptr<float>();
  auto uniform = [](uint32_t word) { return (word + 0.5) / 4294967296.0; };
  for (int64_t i = 0; i < weight.numel(); i += 2) {  // Box-Muller: two words, two normals
    const auto words =
        kernels::philox(static_cast<uint32_t>(i), 0, 0, 0xFFFFFFFFu, static_cast<uint32_t>(seed),
                        static_cast<uint32_t>(seed >> 32));
    const double radius = range * std::sqrt(-2 * std::log(uniform(words.word[0])));
    const double angle = 2 * std::numbers::pi * uniform(words.word[1]);
    w[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < weight.numel()) w[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  bias.zero_();
}

at::Tensor PoolingHeadImpl::pooled(const EncoderStates& states, const DeviceBatch& batch,
                                   BertModelImpl& bert) {
  const PoolIndices& pool = batch.packed.pool;
  const bool pruned = batch.packed.first_rows.num_rows > 0;
  auto first_token = [&] {
    return gather(states.rows, batch, pruned ? pool.first_unit : pool.first_row).to(at::kFloat);
  };
  auto segments = [&]() -> std::vector<at::Tensor> {
    const at::Tensor u = gather(states.segment_means, batch, pool.first_segment);
    const at::Tensor v = ops::unit_mean(gather(states.segment_means, batch, pool.other_segments),
                                        batch.view(pool.other_offsets));
    return {u, v, at::abs(u - v), u * v};
  };
  switch (pooling_) {
    case Pooling::kCls:
      return bert.pool(first_token());
    case Pooling::kMean: {
      const bool joined = batch.packed.levels.back().scope == Scope::kExample;
      return ops::unit_mean(joined ? states.rows : gather(states.rows, batch, pool.all_rows),
                            batch.view(pool.all_offsets));
    }
    case Pooling::kSegments:
      return at::cat(segments(), 1);
    case Pooling::kClsSegments: {
      std::vector<at::Tensor> parts = segments();
      parts.insert(parts.begin(), first_token());
      return at::cat(parts, 1);
    }
  }
  TORCH_CHECK(false, "PoolingHead: unknown pooling ", static_cast<int>(pooling_));
}

at::Tensor PoolingHeadImpl::forward(const EncoderStates& states, const DeviceBatch& batch,
                                    BertModelImpl& bert, const Randomness& randomness) {
  const PoolIndices& pool = batch.packed.pool;
  const at::Tensor x = ops::dropout_add(
      pooled(states, batch, bert), std::nullopt, batch.view(pool.row_unit_ids),
      batch.view(pool.row_positions), randomness.at(dropout_, 0, kernels::Site::kPooled));
  return LinearImpl::forward(x).narrow(0, 0, batch.num_examples());
}

}  // namespace lait
