#include "lait/model/pooling_head.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>

#include "lait/base/error.h"

namespace lait {
namespace {

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

}  // namespace

void check_pooling(Pooling pooling, const Schedule& schedule, bool several_segments,
                   const std::string& way_out) {
  if (pooling == Pooling::kCls && several_segments && !has_scope(schedule, Scope::kExample)) {
    throw UserError(
        "model.pooling: cls without a layer of example scope would read the first segment only; " +
        way_out);
  }
}

PoolingHeadImpl::PoolingHeadImpl(HeadKind kind, const HfConfig& config, const HeadOptions& options,
                                 int64_t num_outputs)
    : pooling_(options.pooling),
      hidden_size_(config.hidden_size),
      dropout_(config.classifier_dropout.value_or(config.hidden_dropout_prob)),
      tensors_(config.family->head_tensors(kind, options.pooling == Pooling::kCls)) {
  if (tensors_.dense)
    dense_ = register_module("dense", Linear(hidden_size_, hidden_size_, at::kFloat));
  output_ = register_module("output",
                            Linear(pooled_width(pooling_, hidden_size_), num_outputs, at::kFloat));
}

Reads pooling_reads(Pooling pooling) {
  switch (pooling) {
    case Pooling::kCls:
      return {.rows = Reads::Rows::kFirst};
    case Pooling::kMean:
      return {.rows = Reads::Rows::kAll};
    case Pooling::kSegments:
      return {.means = Reads::Means::kFinal};
    case Pooling::kClsSegments:
      return {.rows = Reads::Rows::kFirst, .means = Reads::Means::kAtJoin};
  }
  TORCH_CHECK(false, "pooling_reads: unknown pooling ", static_cast<int>(pooling));
}

void PoolingHeadImpl::initialise(uint64_t seed, double range) {
  // The output layer is drawn first from the seed, with and without a dense layer.
  fill_normal(output_->weight, seed, range);
  at::NoGradGuard no_grad;
  output_->bias.zero_();
  if (!dense_) return;
  fill_normal(dense_->weight, seed + 0x9E3779B97F4A7C15u, range);
  dense_->bias.zero_();
}

void PoolingHeadImpl::reorder_outputs(const std::vector<int64_t>& order) {
  at::NoGradGuard no_grad;
  for (at::Tensor parameter : {output_->weight, output_->bias})
    parameter.copy_(parameter.index_select(0, at::tensor(order)));
}

at::Tensor PoolingHeadImpl::dropped(const at::Tensor& x, const DeviceBatch& batch,
                                    const Randomness& randomness, kernels::Site site) {
  const HeadRows& head = batch.packed.head;
  return ops::dropout_add(x, std::nullopt, batch.view(head.row_unit_ids),
                          batch.view(head.row_positions), randomness.at(dropout_, site));
}

at::Tensor PoolingHeadImpl::pooled(const EncoderStates& states, const DeviceBatch& batch,
                                   const Randomness& randomness) {
  const HeadRows& head = batch.packed.head;
  const auto first_row = [&] { return gather(states.rows, batch, head.first_row).to(at::kFloat); };
  const auto segments = [&]() -> std::vector<at::Tensor> {
    const at::Tensor u = gather(states.segment_means, batch, head.first_segment);
    const at::Tensor v = ops::unit_mean(gather(states.segment_means, batch, head.other_segments),
                                        batch.view(head.other_offsets));
    return {u, v, at::abs(u - v), u * v};
  };
  switch (pooling_) {
    case Pooling::kCls: {
      at::Tensor x = first_row();
      if (!dense_) return x;
      if (tensors_.dropout_before_dense)
        x = dropped(x, batch, randomness, kernels::Site::kBeforeDense);
      return at::tanh(dense_(x));
    }
    case Pooling::kMean:
      return ops::unit_mean(
          head.rows.index.size > 0 ? gather(states.rows, batch, head.rows) : states.rows,
          batch.view(head.row_offsets));
    case Pooling::kSegments:
      return at::cat(segments(), 1);
    case Pooling::kClsSegments: {
      std::vector<at::Tensor> parts = segments();
      parts.insert(parts.begin(), first_row());
      return at::cat(parts, 1);
    }
  }
  TORCH_CHECK(false, "PoolingHead: unknown pooling ", static_cast<int>(pooling_));
}

Outputs PoolingHeadImpl::forward(const EncoderStates& states, const DeviceBatch& batch,
                                 const Randomness& randomness) {
  const at::Tensor x =
      dropped(pooled(states, batch, randomness), batch, randomness, kernels::Site::kPooled);
  return {output_(x).narrow(0, 0, batch.num_examples())};
}

// The classifier's input, plus the dense layer's input and output, or two means and their
// difference.
int64_t PoolingHeadImpl::saved_floats() const {
  return pooled_width(pooling_, hidden_size_) + 3 * hidden_size_;
}

}  // namespace lait
