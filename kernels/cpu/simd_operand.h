// What the small products of the CPU kernels multiply: floats, or pairs of bfloat16 that follow one
// another along the depth, for sets with an instruction for their dot product (AVX-512-BF16).
#pragma once
#include <type_traits>

#include "kernels/cpu/simd.h"

namespace lait::kernels {
namespace {

// An operand's memory is counted in scalars. A step is what one multiply-add takes along the depth:
// kDepth scalars of a row of the left operand; for each column of the right one its kDepth scalars,
// one after another.
struct Singles {
  using Scalar = float;
  using Steps = Vec;  // of kVector columns
  static constexpr int kDepth = 1;

  static Steps load_steps(const float* from) { return load(from); }
  static Steps repeat_step(const float* from) { return broadcast(*from); }
  static Vec multiply_add(Vec sum, Steps a, Steps b) { return sum + a * b; }

  // Stores steps of one vector of columns, with `columns` columns per step: the next steps along
  // the rows; each lane of `bits` has four bytes of one row.
  template <class T>
  static void store_along(float* to, int64_t columns, VecUint bits) {
    if constexpr (std::is_same_v<T, float>) {
      store(to, (Vec)bits);
    } else {
      store(to, (Vec)(bits << 16));
      store(to + columns, (Vec)(bits & 0xFFFF0000u));
    }
  }
  // The same without memory: use(steps) for the next steps along the rows.
  template <class T, class Use>
  static void each_step_along(VecUint bits, const Use& use) {
    if constexpr (std::is_same_v<T, float>) {
      use((Vec)bits);
    } else {
      use((Vec)(bits << 16));
      use((Vec)(bits & 0xFFFF0000u));
    }
  }
  // kVector columns of kDepth rows (null: zeros) as one step along the columns; and stores it.
  template <class T>
  static Steps step_down(const T* row, const T*) {
    return load(row);
  }
  template <class T>
  static void store_down(float* to, const T* row, const T*) {
    store(to, load(row));
  }
  static void store_down(float* to, Vec row, Vec) { store(to, row); }
};

struct Pairs {
  using Scalar = Bf16;
  using Steps = VecUint;  // the first of each pair in the low half
  static constexpr int kDepth = 2;

  static Steps load_steps(const Bf16* from) {
    Steps steps;
    __builtin_memcpy(&steps, from, sizeof(steps));
    return steps;
  }
  static Steps repeat_step(const Bf16* from) {
    uint32_t pair;
    __builtin_memcpy(&pair, from, sizeof(pair));
    return Steps{} + pair;
  }
  // vdpbf16ps as documented: the second products are added first, each addition rounds once, and
  // denormal numbers, in and out, are zeros; a product itself is never rounded.
  static Vec multiply_add(Vec sum, Steps a, Steps b) {
#if defined(__AVX512BF16__)
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    sum = add_product(sum, (Vec)(a & 0xFFFF0000u), (Vec)(b & 0xFFFF0000u));
    return add_product(sum, (Vec)(a << 16), (Vec)(b << 16));
#endif
  }

  template <class T>
  static void store_along(Bf16* to, int64_t, VecUint bits) {
    __builtin_memcpy(to, &bits, sizeof(bits));
  }
  template <class T, class Use>
  static void each_step_along(VecUint bits, const Use& use) {
    use(bits);
  }
  static Steps step_down(const Bf16* first, const Bf16* second) {
    VecHalf low, high{};
    __builtin_memcpy(&low, first, sizeof(low));
    if (second) __builtin_memcpy(&high, second, sizeof(high));
    return halves(low, high);
  }
  static void store_down(Bf16* to, const Bf16* first, const Bf16* second) {
    store_steps(to, step_down(first, second));
  }
  static void store_down(Bf16* to, Vec first, Vec second) {
    store_steps(to, halves(round_to_bf16(first), round_to_bf16(second)));
  }

 private:
  // sum + a * b rounded once. A double holds a product of two bfloat16; where it does not hold the
  // sum as well, the dropped part is too small to change the rounding to float. (Not inlined, or
  // the compiler takes minutes.)
  [[gnu::noinline]] static Vec add_product(Vec sum, Vec a, Vec b) {
    typedef double Wide __attribute__((vector_size(kVector * sizeof(double))));
    const Wide product =
        __builtin_convertvector(flushed(a), Wide) * __builtin_convertvector(flushed(b), Wide);
    return flushed(
        __builtin_convertvector(__builtin_convertvector(flushed(sum), Wide) + product, Vec));
  }
  static Steps halves(VecHalf low, VecHalf high) { return widened(low) | widened(high) << 16; }
  static void store_steps(Bf16* to, Steps steps) { __builtin_memcpy(to, &steps, sizeof(steps)); }
};

// The operand for tensors of T.
template <class T>
using OperandOf = std::conditional_t<kMultipliesBf16 && std::is_same_v<T, Bf16>, Pairs, Singles>;

}  // namespace
}  // namespace lait::kernels
