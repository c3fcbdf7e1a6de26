// What forward and backward of the CPU's segment attention share: a task (one unit and head), its
// operands copied from the tensors' rows, and the distribution of tasks over threads. Internal to
// segment_attention_*_isa.cpp.
#pragma once
#include "kernels/bf16.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_multiply.h"

namespace lait::kernels {
namespace {

constexpr int64_t kQueryBlock = 24;  // even
// Three vectors of 16; at D = 64 a block fits the first-level cache.
constexpr int64_t kKeyBlock = 48;
// kQueryBlock rounded up to vectors of every set.
constexpr int64_t kRowsPadded = 32;
// A task's fixed cost, in pairs. A thread gets at least 16 tasks' worth of work.
constexpr int64_t kTaskPairs = 64;

// One unit and head of a call.
struct Task {
  int64_t unit, head;
  int64_t q_begin, m;  // rows of queries
  int64_t k_begin, n;  // rows of keys
  int64_t padded;      // n rounded up to vectors
  int64_t row;         // floats from one row of scores to the next
};

// Rows of scores a power of two apart would share few sets of the cache; an odd number of cache
// lines spreads them.
int64_t scores_row(int64_t padded) {
  constexpr int64_t kLine = 16, kFewKeys = 128;
  return padded < kFewKeys ? padded : round_up(padded, kLine) | kLine;
}

Task make_task(const SegmentAttentionParams& p, int64_t unit, int64_t head) {
  const int64_t m = p.q_offsets[unit + 1] - p.q_offsets[unit],
                n = p.k_offsets[unit + 1] - p.k_offsets[unit], padded = round_up(n, kVector);
  return {unit, head, p.q_offsets[unit], m, p.k_offsets[unit], n, padded, scores_row(padded)};
}

// Divides the thread's workspace into pieces that start at cache lines.
class Pieces {
 public:
  explicit Pieces(int64_t floats)
      : next_(cpu::workspace(static_cast<size_t>(floats + kMostPieces * kLine))) {}
  float* take(int64_t floats) {
    float* piece = next_;
    next_ += round_up(floats, kLine);
    return piece;
  }
  // The same for scalars of an operand, which are not larger than floats.
  template <class O>
  typename O::Scalar* take(int64_t scalars) {
    return reinterpret_cast<typename O::Scalar*>(take(scalars));
  }

 private:
  static constexpr int64_t kLine = 16, kMostPieces = 16;
  float* next_;
};

template <class T>
const T* element(const Rows<const void*>& rows, int64_t row, int64_t head) {
  return static_cast<const T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}
template <class T>
T* element(const Rows<void*>& rows, int64_t row, int64_t head) {
  return static_cast<T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}

// Calls body(d) for each vector of a row of D; D is a multiple of two vectors.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t dim, const Body& body) {
  static_assert(kHeadDims[0] % (2 * kVector) == 0);
  for (int64_t d = 0; d < dim; d += 2 * kVector) {
    body(d);
    body(d + kVector);
  }
}

// One head of rows that lie one after another: row_of(i) is its row i.
template <class T>
struct RowsInOrder {
  const T* first;
  int64_t stride;
  const T* operator()(int64_t i) const { return first + i * stride; }
  RowsInOrder from(int64_t i) const { return {first + i * stride, stride}; }
};
template <class T>
RowsInOrder<T> rows_from(const Rows<const void*>& rows, int64_t begin, int64_t head) {
  return {element<T>(rows, begin, head), rows.row_stride};
}

// Rows [0, n) of one head as a right operand that is summed over rows, (n / kDepth rounded up, D)
// steps; a zero row after an odd number of rows.
template <class O, class RowOf>
void load_down(const RowOf& row_of, int64_t n, int64_t dim, typename O::Scalar* to) {
  for (int64_t i = 0; i < n; i += O::kDepth, to += dim * O::kDepth) {
    const auto* from = row_of(i);
    const auto* second = O::kDepth > 1 && i + 1 < n ? row_of(i + 1) : nullptr;
    for_each_vector(dim, [&](int64_t d) {
      O::store_down(to + d * O::kDepth, from + d, second ? second + d : nullptr);
    });
  }
}

// A left operand: its element (i, k) is data[i * row + k].
template <class O>
struct Left {
  const typename O::Scalar* data;
  int64_t row;
};

// Rows [begin, begin + n) of one head as a left operand that is summed over dims. Pairs are used in
// place; floats are copied to `copy` (n, D), which is load_down's result, too.
template <class O, class T>
Left<O> load_left(const Rows<const void*>& rows, int64_t begin, int64_t n, int64_t head,
                  int64_t dim, typename O::Scalar* copy) {
  if constexpr (O::kDepth > 1) {
    return {element<T>(rows, begin, head), rows.row_stride};
  } else {
    load_down<O>(rows_from<T>(rows, begin, head), n, dim, copy);
    return {copy, dim};
  }
}

// Calls use(d, bits) for the dims d of one vector of keys, rows [0, keys) of one head: each lane of
// `bits` is the four bytes from dim d on of one key (one float, or two of bfloat16). Keys after the
// last are zeros.
template <class T, class RowOf, class Use>
[[gnu::always_inline]] inline void transpose_keys(const RowOf& row_of, int64_t keys, int64_t dim,
                                                  const Use& use) {
  constexpr int64_t kLane = 4 / static_cast<int64_t>(sizeof(T));
  for (int64_t d = 0; d < dim; d += kVector * kLane) {
    Vec square[kVector];
    auto load_bits = [&](int64_t i) { __builtin_memcpy(&square[i], row_of(i) + d, sizeof(Vec)); };
    if (keys >= kVector) {
#pragma GCC unroll 16
      for (int i = 0; i < kVector; ++i) load_bits(i);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < kVector; ++i) i < keys ? load_bits(i) : void(square[i] = Vec{});
    }
    transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < kVector; ++i) use(d + i * kLane, (VecUint)square[i]);
  }
}

// The unit's keys (or values) as a right operand that is summed over dims, by blocks: block b
// begins at to + b * kKeyBlock * D and is (D / kDepth, width) steps, where width is kKeyBlock, or
// the rest of t.padded in the last block. Padding is zero.
template <class O, class T, class RowOf>
void load_transposed(const RowOf& row_of, const Task& t, int64_t dim, typename O::Scalar* to) {
  for (int64_t block = 0; block < t.padded; block += kKeyBlock, to += kKeyBlock * dim) {
    const int64_t width = smaller(kKeyBlock, t.padded - block);
    for (int64_t j = 0; j < width; j += kVector) {
      transpose_keys<T>(row_of.from(block + j), t.n - block - j, dim, [&](int64_t d, VecUint bits) {
        O::template store_along<T>(to + d * width + j * O::kDepth, width, bits);
      });
    }
  }
}

template <class T>
void store_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim, const float* from,
               float scale) {
  T* to = element<T>(rows, row, head);
  for_each_vector(dim, [&](int64_t d) { store(to + d, load(from + d) * scale); });
}

template <class T>
void zero_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim) {
  T* to = element<T>(rows, row, head);
  for_each_vector(dim, [&](int64_t d) { store(to + d, Vec{}); });
}

// C (rows, padded) = A (rows, D) B, B as load_transposed leaves it.
template <class O>
void multiply_keys(const Task& t, int64_t rows, int64_t dim, Left<O> a, const typename O::Scalar* b,
                   float* c) {
  for (int64_t block = 0; block < t.padded; block += kKeyBlock) {
    const int64_t width = smaller(kKeyBlock, t.padded - block);
    multiply<false>(Product<O>{rows, width / kVector, dim / O::kDepth, a.data, a.row, O::kDepth,
                               b + block * dim, width * O::kDepth, c + block, t.row});
  }
}

// C (rows, D) = A (rows, n) B (n, D) for the keys of one block, that from key `block` on; later
// blocks are added. `a` begins at key 0, `b` at the block. Where n is odd, A is zero in the column
// after the last.
template <class O>
void multiply_value_block(const Task& t, int64_t block, int64_t rows, int64_t dim, Left<O> a,
                          const typename O::Scalar* b, int64_t b_step, float* c) {
  const int64_t steps = (smaller(kKeyBlock, t.n - block) + O::kDepth - 1) / O::kDepth;
  const Product<O> product{
      rows, dim / kVector, steps, a.data + block, a.row, O::kDepth, b, b_step, c, dim};
  block == 0 ? multiply<false>(product) : multiply<true>(product);
}
// The same for all keys, one block after another.
template <class O>
void multiply_values(const Task& t, int64_t rows, int64_t dim, Left<O> a,
                     const typename O::Scalar* b, int64_t b_step, float* c) {
  for (int64_t block = 0; block < t.n; block += kKeyBlock)
    multiply_value_block<O>(t, block, rows, dim, a, b + block / O::kDepth * b_step, b_step, c);
}

// One number for each row of a block: the sum of a vector's lanes.
struct RowSums {
  alignas(64) Vec lanes[kRowsPadded];  // the caller sets those of the first `rows` rows
  explicit RowSums(int64_t rows) {
    for (int64_t i = rows; i < round_up(rows, kVector); ++i) lanes[i] = Vec{};
  }
  Vec take(int64_t row) { return sum_lanes(lanes + row); }  // of rows [row, row + kVector), once
};

// Cuts queries into blocks of nearly equal size.
template <class Body>
void for_each_query_block(const Task& t, const Body& body) {
  const int64_t blocks = (t.m + kQueryBlock - 1) / kQueryBlock;
  for (int64_t b = 0; b < blocks; ++b)
    body(t.m * b / blocks, t.m * (b + 1) / blocks - t.m * b / blocks);
}

int64_t unit_work(const SegmentAttentionParams& p, int64_t u) {
  return int64_t{p.q_offsets[u + 1] - p.q_offsets[u]} * (p.k_offsets[u + 1] - p.k_offsets[u]) +
         kTaskPairs;
}
int64_t all_units_work(const SegmentAttentionParams& p) {
  int64_t total = 0;
  for (int64_t u = 0; u < p.num_units; ++u) total += unit_work(p, u);
  return total;
}

// Runs every task once, spread over threads by work (pairs), not by count: body(unit, first head,
// end of heads) for the heads of a unit whose tasks start in the thread's range.
template <class Body>
void for_each_unit(const SegmentAttentionParams& p, const Body& body) {
  const int64_t heads = p.num_heads;
  parallel_for(p.parallel, 0, all_units_work(p) * heads, 16 * kTaskPairs,
               [&](int64_t begin, int64_t end) {
                 int64_t at = 0;
                 for (int64_t u = 0; u < p.num_units && at < end; ++u) {
                   const int64_t work = unit_work(p, u), next = at + work * heads;
                   if (next > begin) {
                     auto first_from = [&](int64_t x) {  // head h starts at at + h * work
                       return x <= at ? 0 : smaller(heads, (x - at + work - 1) / work);
                     };
                     const int64_t first = first_from(begin), last = first_from(end);
                     if (first < last) body(u, first, last);
                   }
                   at = next;
                 }
               });
}
// The same task by task: body(task).
template <class Body>
void for_each_task(const SegmentAttentionParams& p, const Body& body) {
  for_each_unit(p, [&](int64_t unit, int64_t first, int64_t last) {
    for (int64_t h = first; h < last; ++h) body(make_task(p, unit, h));
  });
}

// Calls dead(row) for the rows outside every unit.
template <class Dead>
void for_each_dead_row(const int32_t* offsets, int64_t num_units, int64_t num_rows,
                       const Dead& dead) {
  for (int64_t row = 0; row < offsets[0]; ++row) dead(row);
  for (int64_t row = offsets[num_units]; row < num_rows; ++row) dead(row);
}

}  // namespace
}  // namespace lait::kernels
