// Rows as 8-bit integers and back (quantize.h), compiled once per instruction set. Reading is the
// path that must be fast: one pass, bound by the memory that it writes. Nothing here can be fused,
// so every set gives the same bits.
#include "kernels/bf16.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/simd.h"
#include "kernels/quantize.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kGrainElements = 65536;  // the least work of one thread
constexpr int32_t kMagnitude = 0x7FFFFFFF, kInfinityBits = 0x7F800000;
typedef int8_t VecByte __attribute__((vector_size(kVector)));

inline int64_t grain(int64_t group) { return kGrainElements / (group + 1) + 1; }

// GCC 12 converts bytes to words in many steps.
[[gnu::always_inline]] inline Vec load_bytes(const int8_t* from) {
  VecByte bytes;
  __builtin_memcpy(&bytes, from, sizeof(bytes));
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  return (Vec)_mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepi8_epi32(0xFFFF, (__m128i)bytes));
#elif defined(__AVX2__) && !defined(LAIT_VECTOR)
  return (Vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u*)from)));
#else
  return __builtin_convertvector(bytes, Vec);
#endif
}

// The bits of the largest |x|. As integers, magnitudes have the order of the numbers, and NaNs
// follow infinity.
template <class T>
[[gnu::always_inline]] inline int32_t largest_magnitude(const T* x, int64_t n) {
  VecInt largest{};
  int64_t c = 0;
  for (; c + kVector <= n; c += kVector) {
    const VecInt bits = (VecInt)load(x + c) & kMagnitude;
    largest = bits > largest ? bits : largest;
  }
  int32_t out = 0;
  for (int i = 0; i < kVector; ++i) out = largest[i] > out ? largest[i] : out;
  for (; c < n; ++c) {
    const int32_t bits = __builtin_bit_cast(int32_t, kernels::to_float(x[c])) & kMagnitude;
    out = bits > out ? bits : out;
  }
  return out;
}

// To the nearest integer, of two the even one: adding 1.5 * 2^23 leaves it in the low bits.
constexpr float kRound = 12582912.f;
constexpr int32_t kRoundBits = 0x4B400000;

template <class T>
[[gnu::always_inline]] inline float quantize_group(const T* x, int64_t n, int8_t* out) {
  const int32_t bits = largest_magnitude(x, n);
  const float largest = __builtin_bit_cast(float, bits);
  if (bits >= kInfinityBits || largest < kLeastQuantized) {
    for (int64_t c = 0; c < n; ++c) out[c] = 0;
    return bits >= kInfinityBits ? __builtin_nanf("") : 0.f;
  }
  float scale = largest / kMostQuantized;
  // Rounded up, the largest floats would come back as infinity.
  if (kMostQuantized * scale > __FLT_MAX__)
    scale = __builtin_bit_cast(float, __builtin_bit_cast(int32_t, scale) - 1);
  int64_t c = 0;
  for (; c + kVector <= n; c += kVector) {
    const VecInt nearest = (VecInt)(load(x + c) / scale + kRound) - kRoundBits;
    const VecByte bytes = __builtin_convertvector(nearest, VecByte);
    __builtin_memcpy(out + c, &bytes, sizeof(bytes));
  }
  for (; c < n; ++c) {
    const float shifted = kernels::to_float(x[c]) / scale + kRound;
    out[c] = static_cast<int8_t>(__builtin_bit_cast(int32_t, shifted) - kRoundBits);
  }
  return scale;
}

template <class T>
[[gnu::always_inline]] inline void dequantize_group(const int8_t* values, float scale, int64_t n,
                                                    T* out) {
  const Vec scales = broadcast(scale);
  int64_t c = 0;
  for (; c + kVector <= n; c += kVector) store(out + c, load_bytes(values + c) * scales);
  for (; c < n; ++c) out[c] = from_float<T>(static_cast<float>(values[c]) * scale);
}

template <class T>
void quantize_all(const QuantizeParams& p) {
  parallel_for(p.parallel, 0, p.num_groups, grain(p.group), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      p.scales[g] =
          quantize_group(static_cast<const T*>(p.x) + g * p.group, p.group, p.values + g * p.group);
    }
  });
}

template <class T>
void dequantize_all(const DequantizeParams& p) {
  parallel_for(p.parallel, 0, p.num_groups, grain(p.group), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      dequantize_group(p.values + g * p.group, p.scales[g], p.group,
                       static_cast<T*>(p.out) + g * p.group);
    }
  });
}

}  // namespace

void quantize(const QuantizeParams& p) {
  p.dtype == DType::kBfloat16 ? quantize_all<Bf16>(p) : quantize_all<float>(p);
}
void dequantize(const DequantizeParams& p) {
  p.dtype == DType::kBfloat16 ? dequantize_all<Bf16>(p) : dequantize_all<float>(p);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
