// The row-wise kernels of row_ops.h, compiled once per instruction set (LAIT_ISA names it); plain
// loops that the compiler vectorises, and dropout by simd_dropout.h.
#include "kernels/bf16.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_dropout.h"
#include "kernels/row_ops.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kGrainElements = 16384;  // the least work of one thread

inline int64_t grain(int64_t width) {
  return width >= kGrainElements ? 1 : kGrainElements / (width + 1) + 1;
}

template <class T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};
template <class T, class A>
[[gnu::always_inline]] inline T rounded(A x) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return x;
  } else {
    return from_float<T>(static_cast<float>(x));
  }
}
template <class T>
[[gnu::always_inline]] inline typename Accumulator<T>::type wide(T x) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return x;
  } else {
    return kernels::to_float(x);
  }
}

// out = residual + x * factor over kVector columns, or the first `columns` of them; a factor of 0
// gives residual, whatever x is.
template <class T>
inline void add_dropped(const T* x, const T* residual, T* out, Vec factor,
                        typename Accumulator<T>::type scale, int64_t columns) {
  using A = typename Accumulator<T>::type;
  if constexpr (sizeof(T) < sizeof(double)) {
    if (columns >= kVector) {
      const Vec kept = factor == 0.f ? Vec{} : load(x) * factor;
      return store(out, residual ? kept + load(residual) : kept);
    }
  }
  for (int64_t c = 0; c < smaller(columns, kVector); ++c) {
    const A kept = factor[c] == 0.f ? A{0} : wide(x[c]) * scale;
    out[c] = rounded<T>(kept + (residual ? wide(residual[c]) : A{0}));
  }
}

template <class T>
void dropout_add_rows(const DropoutAddParams& p) {
  using A = typename Accumulator<T>::type;
  const A scale = static_cast<A>(1.0 / (1.0 - static_cast<double>(p.dropout.p)));
  parallel_for(p.parallel, 0, p.num_rows, grain(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const T* x = static_cast<const T*>(p.x) + t * p.width;
      const T* residual = p.residual ? static_cast<const T*>(p.residual) + t * p.width : nullptr;
      T* out = static_cast<T*>(p.out) + t * p.width;
      auto add = [&](int64_t c, Vec factor) {
        add_dropped<T>(x + c, residual ? residual + c : nullptr, out + c, factor, scale,
                       p.width - c);
      };
      if (p.dropout.p == 0) {
        for (int64_t c = 0; c < p.width; c += kVector) add(c, broadcast(1.f));
      } else {
        const DropoutRow row(p.dropout, static_cast<uint32_t>(p.unit_ids[t]),
                             static_cast<uint32_t>(p.positions[t]), /*head=*/0);
        row.factors(round_up(p.width, kVector), add);
      }
    }
  });
}

template <class T>
void gather_adjoint_rows(const GatherAdjointParams& p) {
  using A = typename Accumulator<T>::type;
  parallel_for(p.parallel, 0, p.num_out_rows, grain(p.width), [&](int64_t begin, int64_t end) {
    constexpr int64_t kColumns = 64;  // summed in one pass
    for (int64_t s = begin; s < end; ++s) {
      T* out = static_cast<T*>(p.out) + s * p.width;
      for (int64_t c0 = 0; c0 < p.width; c0 += kColumns) {
        const int64_t columns = p.width - c0 < kColumns ? p.width - c0 : kColumns;
        A sum[kColumns] = {};
        for (int32_t i = p.inverse_offsets[s]; i < p.inverse_offsets[s + 1]; ++i) {
          const T* in =
              static_cast<const T*>(p.in) + static_cast<int64_t>(p.inverse[i]) * p.width + c0;
          for (int64_t c = 0; c < columns; ++c) sum[c] += wide(in[c]);
        }
        for (int64_t c = 0; c < columns; ++c) out[c0 + c] = rounded<T>(sum[c]);
      }
    }
  });
}

template <class T>
void unit_mean_rows(const UnitMeanParams& p) {
  using A = typename Accumulator<T>::type;
  parallel_for(p.parallel, 0, p.num_units, grain(p.width * 16), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      A* out = static_cast<A*>(p.out) + g * p.width;
      const int64_t n = p.offsets[g + 1] - p.offsets[g];
      for (int64_t c = 0; c < p.width; ++c) out[c] = 0;
      for (int64_t t = p.offsets[g]; t < p.offsets[g + 1]; ++t) {
        const T* in = static_cast<const T*>(p.in) + t * p.width;
        for (int64_t c = 0; c < p.width; ++c) out[c] += wide(in[c]);
      }
      if (n > 1) {
        const A factor = A{1} / static_cast<A>(n);
        for (int64_t c = 0; c < p.width; ++c) out[c] *= factor;
      }
    }
  });
}

template <class T>
void unit_mean_gradient(const UnitMeanParams& p) {
  using A = typename Accumulator<T>::type;
  T* out = static_cast<T*>(p.out);
  for (int64_t i = 0; i < p.offsets[0] * p.width; ++i) out[i] = rounded<T>(A{0});
  for (int64_t i = p.offsets[p.num_units] * p.width; i < p.num_rows * p.width; ++i)
    out[i] = rounded<T>(A{0});
  parallel_for(p.parallel, 0, p.num_units, grain(p.width * 16), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const A* in = static_cast<const A*>(p.in) + g * p.width;
      const A factor = A{1} / static_cast<A>(p.offsets[g + 1] - p.offsets[g]);
      for (int64_t t = p.offsets[g]; t < p.offsets[g + 1]; ++t) {
        for (int64_t c = 0; c < p.width; ++c) out[t * p.width + c] = rounded<T>(in[c] * factor);
      }
    }
  });
}

}  // namespace

#define LAIT_BY_DTYPE(function)   \
  switch (p.dtype) {              \
    case DType::kFloat32:         \
      return function<float>(p);  \
    case DType::kBfloat16:        \
      return function<Bf16>(p);   \
    case DType::kFloat64:         \
      return function<double>(p); \
  }

void dropout_add(const DropoutAddParams& p) { LAIT_BY_DTYPE(dropout_add_rows) }
void gather_adjoint(const GatherAdjointParams& p) { LAIT_BY_DTYPE(gather_adjoint_rows) }
void unit_mean_forward(const UnitMeanParams& p) { LAIT_BY_DTYPE(unit_mean_rows) }
void unit_mean_backward(const UnitMeanParams& p) { LAIT_BY_DTYPE(unit_mean_gradient) }

}  // namespace lait::kernels::cpu::LAIT_ISA
