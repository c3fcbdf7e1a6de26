// T5's norm (row_ops.h), compiled once per instruction set. Sums run over kLanes lanes, lane c mod
// kLanes for column c, and then over the lanes in one order, and nothing is fused, so that every
// set, and CUDA, gives the same bits.
#include "kernels/bf16.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/simd.h"
#include "kernels/row_ops.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int kLanes = 128, kVectors = kLanes / kVector, kGroups = 32;
constexpr int64_t kGrainElements = 16384;  // the least work of one thread

// kVector columns of a row from column c on; zeros behind its end.
template <class T>
[[gnu::always_inline]] inline Vec columns(const T* row, int64_t c, int64_t width) {
  if (c + kVector <= width) return load(row + c);
  T some[kVector] = {};
  for (int64_t i = 0; c + i < width; ++i) some[i] = row[c + i];
  return load(some);
}
template <class T>
[[gnu::always_inline]] inline void put(T* row, int64_t c, int64_t width, Vec x) {
  if (c + kVector <= width) return store(row + c, x);
  T some[kVector];
  store(some, x);
  for (int64_t i = 0; c + i < width; ++i) row[c + i] = some[i];
}

// The sum of term(c) over the columns, kVector at a time.
template <class Term>
[[gnu::always_inline]] inline float sum_columns(int64_t width, const Term& term) {
  Vec sums[kVectors] = {};
  for (int64_t block = 0; block < width; block += kLanes) {
    for (int v = 0; v < kVectors && block + v * kVector < width; ++v)
      sums[v] += unfused(term(block + v * kVector));
  }
  float lane[kLanes], group[kGroups];
  __builtin_memcpy(lane, sums, sizeof(lane));
  for (int g = 0; g < kGroups; ++g)
    group[g] = (lane[4 * g] + lane[4 * g + 1]) + (lane[4 * g + 2] + lane[4 * g + 3]);
  for (int half = kGroups / 2; half > 0; half /= 2) {
    for (int g = 0; g < half; ++g) group[g] += group[g + half];
  }
  return group[0];
}

template <class T>
struct Rows {
  static void forward(const RmsNormParams& p, int64_t t) {
    const T* x = static_cast<const T*>(p.x) + t * p.width;
    T* out = static_cast<T*>(p.out) + t * p.width;
    const auto* weight = static_cast<const float*>(p.weight);
    const float squares = sum_columns(p.width, [&](int64_t c) {
      const Vec v = columns(x, c, p.width);
      return v * v;
    });
    const float mean = squares / static_cast<float>(p.width),
                rstd = 1.f / __builtin_sqrtf(mean + static_cast<float>(p.epsilon));
    static_cast<float*>(p.rstd)[t] = rstd;
    for (int64_t c = 0; c < p.width; c += kVector)
      put(out, c, p.width, (columns(x, c, p.width) * rstd) * columns(weight, c, p.width));
  }

  static void backward(const RmsNormGradParams& p, int64_t t, float* part) {
    const T *x = static_cast<const T*>(p.x) + t * p.width,
            *dout = static_cast<const T*>(p.dout) + t * p.width;
    T* dx = static_cast<T*>(p.dx) + t * p.width;
    const auto* weight = static_cast<const float*>(p.weight);
    const float rstd = static_cast<const float*>(p.rstd)[t];
    const auto weighed = [&](int64_t c) {
      return unfused(columns(weight, c, p.width) * columns(dout, c, p.width));
    };
    const float sum =
        sum_columns(p.width, [&](int64_t c) { return weighed(c) * columns(x, c, p.width); });
    const float factor = sum / static_cast<float>(p.width) * (rstd * rstd);
    for (int64_t c = 0; c < p.width; c += kVector) {
      const Vec v = columns(x, c, p.width);
      put(dx, c, p.width, (weighed(c) - unfused(v * factor)) * rstd);
      put(part, c, p.width,
          columns(part, c, p.width) + unfused(unfused(columns(dout, c, p.width) * v) * rstd));
    }
  }
};

template <>
struct Rows<double> {
  static void forward(const RmsNormParams& p, int64_t t) {
    const double* x = static_cast<const double*>(p.x) + t * p.width;
    double squares = 0;
    for (int64_t c = 0; c < p.width; ++c) squares += x[c] * x[c];
    const double rstd = 1 / __builtin_sqrt(squares / static_cast<double>(p.width) + p.epsilon);
    static_cast<double*>(p.rstd)[t] = rstd;
    for (int64_t c = 0; c < p.width; ++c) {
      static_cast<double*>(p.out)[t * p.width + c] =
          x[c] * rstd * static_cast<const double*>(p.weight)[c];
    }
  }

  static void backward(const RmsNormGradParams& p, int64_t t, double* part) {
    const double *x = static_cast<const double*>(p.x) + t * p.width,
                 *dout = static_cast<const double*>(p.dout) + t * p.width,
                 *weight = static_cast<const double*>(p.weight);
    const double rstd = static_cast<const double*>(p.rstd)[t];
    double sum = 0;
    for (int64_t c = 0; c < p.width; ++c) sum += weight[c] * dout[c] * x[c];
    const double factor = sum / static_cast<double>(p.width) * rstd * rstd;
    for (int64_t c = 0; c < p.width; ++c) {
      static_cast<double*>(p.dx)[t * p.width + c] = (weight[c] * dout[c] - x[c] * factor) * rstd;
      part[c] += dout[c] * x[c] * rstd;
    }
  }
};

template <class T, class A>
void forward(const RmsNormParams& p) {
  parallel_for(p.parallel, 0, p.num_rows, kGrainElements / (p.width + 1) + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t t = begin; t < end; ++t) Rows<T>::forward(p, t);
               });
}

template <class T, class A>
void backward(const RmsNormGradParams& p) {
  const int64_t num_parts = (p.num_rows + kRmsNormPart - 1) / kRmsNormPart;
  A* parts = static_cast<A*>(p.parts);
  parallel_for(p.parallel, 0, num_parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      A* part = parts + i * p.width;
      for (int64_t c = 0; c < p.width; ++c) part[c] = 0;
      for (int64_t t = i * kRmsNormPart; t < smaller(p.num_rows, (i + 1) * kRmsNormPart); ++t)
        Rows<T>::backward(p, t, part);
    }
  });
  A* dweight = static_cast<A*>(p.dweight);
  for (int64_t c = 0; c < p.width; ++c) dweight[c] = 0;
  for (int64_t i = 0; i < num_parts; ++i) {
    for (int64_t c = 0; c < p.width; ++c) dweight[c] += parts[i * p.width + c];
  }
}

}  // namespace

#define LAIT_BY_DTYPE(function)           \
  switch (p.dtype) {                      \
    case DType::kFloat32:                 \
      return function<float, float>(p);   \
    case DType::kBfloat16:                \
      return function<Bf16, float>(p);    \
    case DType::kFloat64:                 \
      return function<double, double>(p); \
  }

void rms_norm(const RmsNormParams& p) { LAIT_BY_DTYPE(forward) }
void rms_norm_backward(const RmsNormGradParams& p) { LAIT_BY_DTYPE(backward) }

}  // namespace lait::kernels::cpu::LAIT_ISA
