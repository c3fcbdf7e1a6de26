#include "eval/bench/attention_peers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "lait/ops/ops.h"

namespace lait {
namespace {

at::Tensor random_leaf(at::IntArrayRef sizes, const AttentionShape& shape) {
  return at::randn(sizes, at::TensorOptions().device(shape.device))
      .to(shape.dtype)
      .requires_grad_();
}

double scale(const AttentionShape& shape) { return 1 / std::sqrt(static_cast<double>(shape.dim)); }

ops::AttentionSpec spec(const AttentionShape& shape) {
  return {.heads = shape.heads, .head_dim = shape.dim, .scale = scale(shape)};
}

at::Tensor offsets_of(const std::vector<int64_t>& units) {
  std::vector<int32_t> offsets = {0};
  for (const int64_t n : units) offsets.push_back(offsets.back() + static_cast<int32_t>(n));
  return at::tensor(offsets, at::kInt);
}

}  // namespace

int64_t sum(const ExampleLengths& example) {
  return std::accumulate(example.begin(), example.end(), int64_t{0});
}

void AttentionWay::run(bool backward, const std::vector<at::Tensor>& gradients) const {
  if (!backward) {
    at::NoGradGuard no_grad;
    forward();
    return;
  }
  torch::autograd::grad(forward(), inputs, gradients);
}

ops::AttentionUnits attention_units(const at::Tensor& offsets, const AttentionShape& shape) {
  const at::Tensor on_device = offsets.to(shape.device);
  ops::AttentionUnits units;
  units.q_offsets = units.k_offsets = on_device;
  if (shape.device.is_cuda()) {
    auto [work, blocks] = ops::attention_work(offsets, offsets, shape.dim);
    units.work = work.to(shape.device);
    units.work_blocks = blocks;
  }
  return units;
}

AttentionWay packed_way(const std::vector<int64_t>& units, const AttentionShape& shape) {
  const auto all =
      std::make_shared<const ops::AttentionUnits>(attention_units(offsets_of(units), shape));
  const at::Tensor qkv = random_leaf(
      {std::accumulate(units.begin(), units.end(), int64_t{0}), 3, shape.heads, shape.dim}, shape);
  return {{qkv}, [=]() -> std::vector<at::Tensor> {
            return {ops::segment_attention_qkvpacked(qkv, *all, spec(shape), {})};
          }};
}

AttentionWay padded_way(const std::vector<ExampleLengths>& rows, bool blocks,
                        const AttentionShape& shape) {
  int64_t longest = 0;
  bool ragged = blocks;
  for (const ExampleLengths& row : rows) longest = std::max(longest, sum(row));
  for (const ExampleLengths& row : rows) ragged = ragged || sum(row) < longest;
  const auto count = static_cast<int64_t>(rows.size());
  std::optional<at::Tensor> mask;
  if (ragged) {
    mask = at::zeros({count, 1, blocks ? longest : 1, longest},
                     at::TensorOptions().dtype(at::kBool).device(at::kCPU));
    for (int64_t i = 0; i < count; ++i) {
      int64_t begin = 0;
      for (const int64_t n : rows[static_cast<size_t>(i)]) {
        at::Tensor part = mask->select(0, i).narrow(2, begin, n);
        if (blocks) part = part.narrow(1, begin, n);
        part.fill_(true);
        begin += n;
      }
      // Padding rows see one key: a softmax over no keys gives NaN.
      if (blocks && begin < longest)
        mask->select(0, i).narrow(1, begin, longest - begin).narrow(2, 0, 1).fill_(true);
    }
    mask = mask->to(shape.device);
  }
  const at::Tensor qkv = random_leaf({3, count, shape.heads, longest, shape.dim}, shape);
  return {{qkv}, [=]() -> std::vector<at::Tensor> {
            const auto parts = qkv.unbind(0);
            return {at::scaled_dot_product_attention(parts[0], parts[1], parts[2], mask)};
          }};
}

AttentionWay loop_way(const std::vector<int64_t>& units, const AttentionShape& shape) {
  AttentionWay way;
  for (const int64_t n : units)
    way.inputs.push_back(random_leaf({3, 1, shape.heads, n, shape.dim}, shape));
  way.forward = [inputs = way.inputs] {
    std::vector<at::Tensor> out;
    for (const at::Tensor& qkv : inputs) {
      const auto parts = qkv.unbind(0);
      out.push_back(at::scaled_dot_product_attention(parts[0], parts[1], parts[2]));
    }
    return out;
  };
  return way;
}

AttentionWay flash_way(const std::vector<int64_t>& units, const AttentionShape& shape) {
  const at::Tensor offsets = offsets_of(units).to(shape.device);
  const int64_t longest = *std::ranges::max_element(units);
  const at::Tensor qkv = random_leaf(
      {std::accumulate(units.begin(), units.end(), int64_t{0}), 3, shape.heads, shape.dim}, shape);
  return {{qkv}, [=]() -> std::vector<at::Tensor> {
            const auto parts = qkv.unbind(1);
            return {std::get<0>(at::_flash_attention_forward(
                parts[0], parts[1], parts[2], offsets, offsets, longest, longest,
                /*dropout_p=*/0, /*is_causal=*/false,
                /*return_debug_mask=*/false, scale(shape)))};
          }};
}

}  // namespace lait
