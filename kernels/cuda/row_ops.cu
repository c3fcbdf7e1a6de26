// The row-wise kernels of row_ops.h on CUDA: memory-bound loops, one thread for four neighbouring
// columns (16 bytes of float, 8 of bfloat16) where rows allow it. Sums run in the CPU's order, and
// nothing is contracted to a fused multiply-add, so the results have the CPU's bits.
#include "kernels/cuda/columns.cuh"
#include "kernels/row_ops.h"
#include "kernels/row_ops_checks.h"

namespace lait::kernels::cuda {
namespace {

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads)
    dropout_add_kernel(DropoutAddParams p, uint32_t threshold, float scale) {
  int64_t t, c;
  if (!place<kColumns>(p.num_rows, p.width, t, c)) return;
  const int64_t i = t * p.width + c;
  Columns<kColumns> x = load<kColumns>(static_cast<const T*>(p.x) + i);
  if (p.dropout.p > 0) {
    const PhiloxWords words = dropout_words(p.dropout, static_cast<uint32_t>(p.unit_ids[t]),
                                            static_cast<uint32_t>(p.positions[t]),
                                            static_cast<uint32_t>(c / 4), /*head=*/0);
#pragma unroll
    for (int word = 0; word < 4; ++word) {  // for one column: its own word of the four
      const int j = kColumns == 1 ? 0 : word;
      if (kColumns == 1 && c % 4 != word) continue;
      x.at[j] = words.word[word] >= threshold ? __fmul_rn(x.at[j], scale) : 0.f;
    }
  }
  if (p.residual) {
    const Columns<kColumns> residual = load<kColumns>(static_cast<const T*>(p.residual) + i);
    for (int j = 0; j < kColumns; ++j) x.at[j] = __fadd_rn(x.at[j], residual.at[j]);
  }
  store<kColumns>(static_cast<T*>(p.out) + i, x);
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) gather_adjoint_kernel(GatherAdjointParams p) {
  int64_t s, c;
  if (!place<kColumns>(p.num_out_rows, p.width, s, c)) return;
  Columns<kColumns> sum = {};
  for (int32_t i = p.inverse_offsets[s]; i < p.inverse_offsets[s + 1]; ++i) {
    const Columns<kColumns> in =
        load<kColumns>(static_cast<const T*>(p.in) + int64_t{p.inverse[i]} * p.width + c);
    for (int j = 0; j < kColumns; ++j) sum.at[j] += in.at[j];
  }
  store<kColumns>(static_cast<T*>(p.out) + s * p.width + c, sum);
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) unit_mean_kernel(UnitMeanParams p) {
  int64_t g, c;
  if (!place<kColumns>(p.num_units, p.width, g, c)) return;
  const int32_t begin = p.offsets[g], end = p.offsets[g + 1];
  Columns<kColumns> sum = {};
  for (int32_t t = begin; t < end; ++t) {
    const Columns<kColumns> in =
        load<kColumns>(static_cast<const T*>(p.in) + int64_t{t} * p.width + c);
    for (int j = 0; j < kColumns; ++j) sum.at[j] += in.at[j];
  }
  if (end - begin > 1) {
    const float factor = __frcp_rn(static_cast<float>(end - begin));
    for (int j = 0; j < kColumns; ++j) sum.at[j] *= factor;
  }
  store<kColumns>(static_cast<float*>(p.out) + g * p.width + c, sum);
}

// A row finds its unit by binary search in the offsets, so that long and short units cost the same.
template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) unit_mean_gradient_kernel(UnitMeanParams p) {
  int64_t t, c;
  if (!place<kColumns>(p.num_rows, p.width, t, c)) return;
  int64_t low = 0, high = p.num_units + 1;  // how many offsets are at most t
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (p.offsets[middle] <= t) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  Columns<kColumns> out = {};
  if (low > 0 && low <= p.num_units) {
    const int64_t g = low - 1;
    const float factor = __frcp_rn(static_cast<float>(p.offsets[g + 1] - p.offsets[g]));
    const Columns<kColumns> in = load<kColumns>(static_cast<const float*>(p.in) + g * p.width + c);
    for (int j = 0; j < kColumns; ++j) out.at[j] = __fmul_rn(in.at[j], factor);
  }
  store<kColumns>(static_cast<T*>(p.out) + t * p.width + c, out);
}

}  // namespace

void dropout_add(const DropoutAddParams& p) {
  check_dropout_add(p);
  launch("dropout_add", p.dtype, p.num_rows, p.width, {p.x, p.residual, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           const auto scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(p.dropout.p)));
           dropout_add_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p, dropout_threshold(p.dropout.p),
                                                            scale);
         });
}

void gather_adjoint(const GatherAdjointParams& p) {
  launch("gather_adjoint", p.dtype, p.num_out_rows, p.width, {p.in, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           gather_adjoint_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
         });
}

void unit_mean_forward(const UnitMeanParams& p) {
  launch(
      "unit_mean", p.dtype, p.num_units, p.width, {p.in, p.out}, [&](auto instance, unsigned grid) {
        using I = decltype(instance);
        unit_mean_kernel<typename I::T, I::kColumns><<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
      });
}

void unit_mean_backward(const UnitMeanParams& p) {
  launch("unit_mean_backward", p.dtype, p.num_rows, p.width, {p.in, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           unit_mean_gradient_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
         });
}

}  // namespace lait::kernels::cuda
