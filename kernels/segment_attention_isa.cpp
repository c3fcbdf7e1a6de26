// Segment attention on the CPU, float and bfloat16, compiled once per instruction set (LAIT_ISA names it).
//
// A task is one unit and head: nothing is computed outside its (m, n) pairs, and its result depends on nothing else. The
// unit's keys and values are brought into float blocks of kKeyBlock keys counted from the unit's start; its queries go
// through in blocks of at most kQueryBlock rows that keep their scores over all n keys, so no rescaling is needed. Small
// products (simd_multiply.h) do the rest:
//   forward   S = Q Kt          P = softmax S     O  = P V
//   backward  S = Q Kt          P = e^(S - lse)   dP = dO Vt     dS = P (dP - delta),  delta = sum of P dP over the row
//             dV += P' dO       dK += dS' Q       dQ = dS K                (' transposed)
// The rows of P are summed again in the backward: divided by that, they lose the rounding of lse.
// Every element is one chain of operations in the order of keys, dims or queries, whatever the blocks. Equals
// reference::segment_attention_*.
#include "kernels/bf16.h"
#include "kernels/cpu_dispatch.h"
#include "kernels/simd.h"
#include "kernels/simd_dropout.h"
#include "kernels/simd_multiply.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kQueryBlock = 24;
constexpr int64_t kKeyBlock = 96;    // a multiple of three vectors of every set
constexpr int64_t kRowsPadded = 32;  // kQueryBlock rounded up to vectors of every set
constexpr int64_t kTaskPairs = 64;  // a task's fixed cost, in pairs; the least work of a thread is 16 tasks
constexpr int64_t kFewQueries = 4;  // so few do not repay a copy of the values
constexpr int64_t kBiasParts = 16;  // parts of the units whose bias gradients are summed apart

// One unit and head of a call.
struct Task {
  int64_t unit, head;
  int64_t q_begin, m;  // rows of queries
  int64_t k_begin, n;  // rows of keys
  int64_t padded;      // n rounded up to vectors
};

Task make_task(const SegmentAttentionParams& p, int64_t unit, int64_t head) {
  const int64_t m = p.q_offsets[unit + 1] - p.q_offsets[unit],
                n = p.k_offsets[unit + 1] - p.k_offsets[unit];
  return {unit, head, p.q_offsets[unit], m, p.k_offsets[unit], n, round_up(n, kVector)};
}

int32_t query_position(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return p.q_positions ? p.q_positions[t.q_begin + i] : static_cast<int32_t>(t.n - t.m + i);
}

// How many keys query i may look at: they are the first ones.
int64_t visible_keys(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return p.causal ? larger(0, smaller(t.n, int64_t{query_position(p, t, i)} + 1)) : t.n;
}

// Hands out the thread's workspace in pieces that begin at cache lines.
class Pieces {
 public:
  explicit Pieces(int64_t floats)
      : next_(workspace(static_cast<size_t>(floats + kMostPieces * kLine))) {}
  float* take(int64_t floats) {
    float* piece = next_;
    next_ += round_up(floats, kLine);
    return piece;
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

// Rows lie too far apart for the hardware to foresee them; the next task is most often the next head of the same rows.
template <class T>
void prefetch_next_head(const T* from, const Rows<const void*>& rows, int64_t dim) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t d = 0; d < dim; d += kLine) __builtin_prefetch(from + rows.head_stride + d);
}

// Rows [begin, begin + n) of one head as float: to[i * D + d].
template <class T>
void load_rows(const Rows<const void*>& rows, int64_t begin, int64_t n, int64_t head, int64_t dim,
               float* to) {
  for (int64_t i = 0; i < n; ++i, to += dim) {
    const T* from = element<T>(rows, begin + i, head);
    prefetch_next_head<T>(from, rows, dim);
    for (int64_t d = 0; d < dim; d += kVector) store(to + d, load(from + d));
  }
}

// The unit's keys (or values) as float, transposed by blocks: block b begins at to + b * kKeyBlock * D and is (D, width),
// width being kKeyBlock or what is left of t.padded. Zeros for the padding.
template <class T>
void load_transposed(const Rows<const void*>& rows, const Task& t, int64_t dim, float* to) {
  for (int64_t block = 0; block < t.padded; block += kKeyBlock, to += kKeyBlock * dim) {
    const int64_t width = smaller(kKeyBlock, t.padded - block);
    for (int64_t j = 0; j < width; j += kVector) {
      const int64_t keys = smaller(kVector, t.n - block - j);
      const T* from = element<T>(rows, t.k_begin + block + j, t.head);
      for (int64_t i = 0; i < keys; ++i)
        prefetch_next_head<T>(from + i * rows.row_stride, rows, dim);
      for (int64_t d = 0; d < dim; d += kVector) {
        Vec square[kVector];
        if (keys == kVector) {
#pragma GCC unroll 16
          for (int i = 0; i < kVector; ++i) square[i] = load(from + i * rows.row_stride + d);
        } else {
#pragma GCC unroll 16
          for (int i = 0; i < kVector; ++i)
            square[i] = i < keys ? load(from + i * rows.row_stride + d) : Vec{};
        }
        transpose(square);
#pragma GCC unroll 16
        for (int i = 0; i < kVector; ++i) store(to + (d + i) * width + j, square[i]);
      }
    }
  }
}

template <class T>
void store_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim, const float* from,
               float scale) {
  T* to = element<T>(rows, row, head);
  for (int64_t d = 0; d < dim; d += kVector) store(to + d, load(from + d) * scale);
}

template <class T>
void zero_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim) {
  T* to = element<T>(rows, row, head);
  for (int64_t d = 0; d < dim; d += kVector) store(to + d, Vec{});
}

// The biases of a task by diagonal: those of query i for keys 0 … n - 1 lie at row(i) one after another, because they only
// depend on the relative position. Beyond max_distance the bucket is constant, so far positions are brought nearer.
class Diagonals {
 public:
  Diagonals(const SegmentAttentionParams& p, const Task& t) : p_(p), t_(t) {
    if (p.bias.table == nullptr) return;
    first_ = start(0);
    int64_t last = first_;
    for (int64_t i = 1; i < (p.q_positions ? t.m : 0); ++i) {
      first_ = smaller(first_, start(i));
      last = larger(last, start(i));
    }
    if (p.q_positions == nullptr) first_ = start(t.m - 1);  // positions rise
    size_ = last - first_ + t.padded;
  }
  int64_t size() const { return size_; }
  void fill(float* biases) {
    const int32_t* buckets = bucket_table(p_.bias);
    biases_ = biases;
    for (int64_t r = 0; r < size_; ++r)
      biases[r] = p_.bias.table[bucket(buckets, r) * p_.num_heads + t_.head];
  }
  const float* row(int64_t i) const { return biases_ + (start(i) - first_); }
  void clear(float* gradients) {
    gradients_ = gradients;
    for (int64_t r = 0; r < size_; ++r) gradients[r] = 0;
  }
  float* gradient_row(int64_t i) const { return gradients_ + (start(i) - first_); }
  // Adds the gradients to their buckets, to (num_buckets). Diagonals of padding hold zeros.
  void add_gradients(float* to) const {
    const int32_t* buckets = bucket_table(p_.bias);
    for (int64_t r = 0; r < size_; ++r) to[bucket(buckets, r)] += gradients_[r];
  }

 private:
  int64_t start(int64_t i) const {  // the relative position of key 0
    const int64_t far = p_.bias.max_distance;
    return smaller(far, larger(-far - t_.n, -int64_t{query_position(p_, t_, i)}));
  }
  int32_t bucket(const int32_t* buckets, int64_t r) const {
    const int64_t far = p_.bias.max_distance;
    return buckets[smaller(far, larger(-far, first_ + r)) + far];
  }

  const SegmentAttentionParams& p_;
  const Task& t_;
  int64_t first_ = 0, size_ = 0;
  float* biases_ = nullptr;
  float* gradients_ = nullptr;
};

// scale * S + bias for one row of scores, minus infinity for keys that the query may not see; returns lanes' maxima.
Vec finish_scores(float scale, const float* biases, int64_t visible, int64_t padded,
                  float* scores) {
  Vec top = broadcast(-kInfinity);
  for (int64_t j = 0; j < padded; j += kVector) {
    Vec s = load(scores + j) * scale;
    if (biases) s += load(biases + j);
    if (visible < j + kVector)
      s = lane_numbers() < static_cast<int32_t>(visible - j) ? s : broadcast(-kInfinity);
    store(scores + j, s);
    top = maximum(top, s);
  }
  return top;
}

DropoutRow dropout_row(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return {p.dropout, static_cast<uint32_t>(p.unit_ids[t.unit]),
          static_cast<uint32_t>(query_position(p, t, i)), static_cast<uint32_t>(t.head)};
}

// C (rows, padded) = A (rows, D) B, B as load_transposed leaves it.
void multiply_keys(const Task& t, int64_t rows, int64_t dim, const float* a, const float* b,
                   float* c) {
  for (int64_t block = 0; block < t.padded; block += kKeyBlock) {
    const int64_t width = smaller(kKeyBlock, t.padded - block);
    multiply<false>(
        {rows, width / kVector, dim, a, dim, 1, b + block * dim, width, c + block, t.padded});
  }
}

// C (rows, D) = A (rows, n) B (n, D), a block of keys after the other.
void multiply_values(const Task& t, int64_t rows, int64_t dim, const float* a, const float* b,
                     int64_t b_row, float* c) {
  for (int64_t block = 0; block < t.n; block += kKeyBlock) {
    const Product product{rows,
                          dim / kVector,
                          smaller(kKeyBlock, t.n - block),
                          a + block,
                          t.padded,
                          1,
                          b + block * b_row,
                          b_row,
                          c,
                          dim};
    block == 0 ? multiply<false>(product) : multiply<true>(product);
  }
}

// Blocks of queries of nearly one size.
template <class Body>
void for_each_query_block(const Task& t, const Body& body) {
  const int64_t blocks = (t.m + kQueryBlock - 1) / kQueryBlock;
  for (int64_t b = 0; b < blocks; ++b)
    body(t.m * b / blocks, t.m * (b + 1) / blocks - t.m * b / blocks);
}

// Turns scores (rows, padded) into e^(score - maximum), times dropout's factors; factor[i] is 1 / row i's sum (0 where the
// query sees nothing), lse[i] its log-sum-exp.
void softmax(const SegmentAttentionParams& p, const Task& t, const Diagonals& diagonals,
             int64_t begin, int64_t rows, float* scores, float* factor, float* lse) {
  alignas(64) Vec lanes[kRowsPadded] = {};
  alignas(64) float max[kRowsPadded];
  for (int64_t i = 0; i < rows; ++i) {
    const float* biases = p.bias.table ? diagonals.row(begin + i) : nullptr;
    lanes[i] = finish_scores(p.scale, biases, visible_keys(p, t, begin + i), t.padded,
                             scores + i * t.padded);
  }
  for (int64_t i = 0; i < rows; i += kVector) store(max + i, max_lanes(lanes + i));
  for (int64_t i = 0; i < rows; ++i) {
    float* row = scores + i * t.padded;
    const float shift = max[i] == -kInfinity ? 0.f : max[i];
    Vec sum{};
    for (int64_t j = 0; j < t.padded; j += kVector) {
      const Vec e = exp_negative(load(row + j) - shift);
      store(row + j, e);
      sum += e;
    }
    lanes[i] = sum;
    if (p.dropout.p > 0) {
      dropout_row(p, t, begin + i).factors(t.padded, [&](int64_t j, Vec f) {
        store(row + j, load(row + j) * f);
      });
    }
  }
  for (int64_t i = 0; i < rows; i += kVector) {
    const Vec sum = sum_lanes(lanes + i), top = load(max + i);
    const VecInt sees_none = sum == 0.f;
    store(factor + i, sees_none ? Vec{} : 1.f / sum);
    store(lse + i, sees_none ? broadcast(-kInfinity) : top + log_above_one(sum));
  }
}

template <class T>
void forward_task(const SegmentAttentionParams& p, const Task& t) {
  const int64_t dim = p.head_dim;
  float* lse = p.lse ? static_cast<float*>(p.lse) + t.head * p.num_q_rows + t.q_begin : nullptr;
  if (t.m == 0) return;
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) {
      zero_row<T>(p.out, t.q_begin + i, t.head, dim);
      if (lse) lse[i] = -kInfinity;
    }
    return;
  }
  Diagonals diagonals(p, t);
  Pieces pieces(2 * t.padded * dim + kQueryBlock * (2 * dim + t.padded) + diagonals.size());
  float* kt = pieces.take(t.padded * dim);
  load_transposed<T>(p.k, t, dim, kt);
  const float* v = nullptr;
  int64_t v_row = dim;
  if (sizeof(T) == sizeof(float) && t.m <= kFewQueries) {
    v = element<float>(p.v, t.k_begin, t.head);
    v_row = p.v.row_stride;
  } else {
    float* copy = pieces.take(t.n * dim);
    load_rows<T>(p.v, t.k_begin, t.n, t.head, dim, copy);
    v = copy;
  }
  float* q = pieces.take(kQueryBlock * dim);
  float* out = pieces.take(kQueryBlock * dim);
  float* scores = pieces.take(kQueryBlock * t.padded);
  if (diagonals.size() > 0) diagonals.fill(pieces.take(diagonals.size()));
  for_each_query_block(t, [&](int64_t begin, int64_t rows) {
    alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
    load_rows<T>(p.q, t.q_begin + begin, rows, t.head, dim, q);
    multiply_keys(t, rows, dim, q, kt, scores);
    softmax(p, t, diagonals, begin, rows, scores, factor, row_lse);
    multiply_values(t, rows, dim, scores, v, v_row, out);
    for (int64_t i = 0; i < rows; ++i) {
      store_row<T>(p.out, t.q_begin + begin + i, t.head, dim, out + i * dim, factor[i]);
      if (lse) lse[begin + i] = row_lse[i];
    }
  });
}

// Turns scores S and dP, both (rows, padded), into what dV and what dQ, dK are made of: e^(S - lse) times dropout's factors
// (`dropped`, which may be `scores`), and dS. dV also needs factor[i], 1 / the sum of row i's e^(S - lse).
void softmax_backward(const SegmentAttentionParams& p, const Task& t, const Diagonals& diagonals,
                      const float* lse, int64_t begin, int64_t rows, float* scores, float* dp,
                      float* dropped, float* factor) {
  alignas(64) Vec sums[kRowsPadded] = {}, weighted[kRowsPadded] = {};
  alignas(64) float delta[kRowsPadded];
  for (int64_t i = 0; i < rows; ++i) {
    float* row = scores + i * t.padded;
    float* gradient = dp + i * t.padded;
    float* kept = dropped + i * t.padded;
    const float* biases = p.bias.table ? diagonals.row(begin + i) : nullptr;
    const int64_t visible = visible_keys(p, t, begin + i);
    finish_scores(p.scale, biases, visible, t.padded, row);
    const float shift = visible == 0 ? 0.f : lse[begin + i];
    Vec sum{}, product{};
    if (p.dropout.p > 0) {
      dropout_row(p, t, begin + i).factors(t.padded, [&](int64_t j, Vec keep) {
        const Vec e = exp_negative(load(row + j) - shift), g = load(gradient + j) * keep;
        store(row + j, e);
        store(kept + j, e * keep);
        store(gradient + j, g);
        sum += e;
        product += e * g;
      });
    } else {
      for (int64_t j = 0; j < t.padded; j += kVector) {
        const Vec e = exp_negative(load(row + j) - shift);
        store(row + j, e);
        sum += e;
        product += e * load(gradient + j);
      }
    }
    sums[i] = sum;
    weighted[i] = product;
  }
  for (int64_t i = 0; i < rows; i += kVector) {
    const Vec sum = sum_lanes(sums + i), inverse = sum == 0.f ? Vec{} : 1.f / sum;
    store(factor + i, inverse);
    store(delta + i, sum_lanes(weighted + i) * inverse);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = scores + i * t.padded;
    float* gradient = dp + i * t.padded;
    for (int64_t j = 0; j < t.padded; j += kVector) {
      store(gradient + j, load(row + j) * factor[i] * (load(gradient + j) - delta[i]));
    }
  }
}

// bias_grad (num_buckets): the head's gradients are added; null where there is no bias or nobody asks.
template <class T>
void backward_task(const SegmentAttentionGradParams& g, const Task& t, float* bias_grad) {
  const SegmentAttentionParams& p = g.forward;
  const int64_t dim = p.head_dim;
  if (t.m == 0 || t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) zero_row<T>(g.dq, t.q_begin + i, t.head, dim);
    for (int64_t j = 0; j < t.n; ++j) {
      zero_row<T>(g.dk, t.k_begin + j, t.head, dim);
      zero_row<T>(g.dv, t.k_begin + j, t.head, dim);
    }
    return;
  }
  Diagonals diagonals(p, t);
  Pieces pieces(5 * t.padded * dim + kQueryBlock * (3 * dim + 3 * t.padded) + 2 * diagonals.size());
  float* kt = pieces.take(t.padded * dim);
  float* vt = pieces.take(t.padded * dim);
  float* k = pieces.take(t.n * dim);
  float* dk = pieces.take(t.n * dim);
  float* dv = pieces.take(t.n * dim);
  float* q = pieces.take(kQueryBlock * dim);
  float* dout = pieces.take(kQueryBlock * dim);
  float* dq = pieces.take(kQueryBlock * dim);
  float* scores = pieces.take(kQueryBlock * t.padded);
  float* ds = pieces.take(kQueryBlock * t.padded);
  float* dropped = p.dropout.p > 0 ? pieces.take(kQueryBlock * t.padded) : scores;
  if (diagonals.size() > 0) diagonals.fill(pieces.take(diagonals.size()));
  if (bias_grad) diagonals.clear(pieces.take(diagonals.size()));
  load_transposed<T>(p.k, t, dim, kt);
  load_transposed<T>(p.v, t, dim, vt);
  load_rows<T>(p.k, t.k_begin, t.n, t.head, dim, k);
  const float* lse = static_cast<const float*>(p.lse) + t.head * p.num_q_rows + t.q_begin;
  for_each_query_block(t, [&](int64_t begin, int64_t rows) {
    load_rows<T>(p.q, t.q_begin + begin, rows, t.head, dim, q);
    load_rows<T>(g.dout, t.q_begin + begin, rows, t.head, dim, dout);
    multiply_keys(t, rows, dim, q, kt, scores);
    multiply_keys(t, rows, dim, dout, vt, ds);
    alignas(64) float factor[kRowsPadded];
    softmax_backward(p, t, diagonals, lse, begin, rows, scores, ds, dropped, factor);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t d = 0; d < dim; d += kVector)
        store(dout + i * dim + d, load(dout + i * dim + d) * factor[i]);
    }
    for (int64_t i = 0; bias_grad && i < rows; ++i) {
      float* to = diagonals.gradient_row(begin + i);
      for (int64_t j = 0; j < t.padded; j += kVector)
        store(to + j, load(to + j) + load(ds + i * t.padded + j));
    }
    const Product to_v{t.n, dim / kVector, rows, dropped, 1, t.padded, dout, dim, dv, dim};
    const Product to_k{t.n, dim / kVector, rows, ds, 1, t.padded, q, dim, dk, dim};
    if (begin == 0) {
      multiply<false>(to_v);
      multiply<false>(to_k);
    } else {
      multiply<true>(to_v);
      multiply<true>(to_k);
    }
    multiply_values(t, rows, dim, ds, k, dim, dq);
    for (int64_t i = 0; i < rows; ++i)
      store_row<T>(g.dq, t.q_begin + begin + i, t.head, dim, dq + i * dim, p.scale);
  });
  for (int64_t j = 0; j < t.n; ++j) {
    store_row<T>(g.dk, t.k_begin + j, t.head, dim, dk + j * dim, p.scale);
    store_row<T>(g.dv, t.k_begin + j, t.head, dim, dv + j * dim, 1.f);
  }
  if (bias_grad) diagonals.add_gradients(bias_grad);
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

// Runs every task once, spread over threads by work (pairs), not by count. A task belongs to the range it begins in.
template <class Body>
void for_each_task(const SegmentAttentionParams& p, const Body& body) {
  parallel_for(p.parallel, 0, all_units_work(p) * p.num_heads, 16 * kTaskPairs,
               [&](int64_t begin, int64_t end) {
                 int64_t at = 0;
                 for (int64_t u = 0; u < p.num_units && at < end; ++u) {
                   const int64_t work = unit_work(p, u);
                   if (at + work * p.num_heads <= begin) {
                     at += work * p.num_heads;
                     continue;
                   }
                   for (int64_t h = 0; h < p.num_heads; ++h, at += work) {
                     if (at >= begin && at < end) body(make_task(p, u, h));
                   }
                 }
               });
}

// Likewise where a bias gradient is wanted: body(task, gradient (num_buckets)). The units are cut into parts by work, in a
// way that does not depend on the threads; each part and head is summed in order, then the parts are.
template <class Body>
void for_each_task_with_bias(const SegmentAttentionParams& p, float* bias_grad, const Body& body) {
  const int64_t total = all_units_work(p), buckets = p.bias.num_buckets;
  float* sums = call_workspace(static_cast<size_t>(kBiasParts * p.num_heads * buckets));
  for (int64_t i = 0; i < kBiasParts * p.num_heads * buckets; ++i) sums[i] = 0;
  parallel_for(p.parallel, 0, kBiasParts * p.num_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t part = item / p.num_heads, head = item % p.num_heads;
      int64_t at = 0;
      for (int64_t u = 0; u < p.num_units; ++u) {
        if (at * kBiasParts / total == part) body(make_task(p, u, head), sums + item * buckets);
        at += unit_work(p, u);
      }
    }
  });
  for (int64_t h = 0; h < p.num_heads; ++h) {
    for (int64_t b = 0; b < buckets; ++b) {
      float sum = 0;
      for (int64_t part = 0; part < kBiasParts; ++part)
        sum += sums[(part * p.num_heads + h) * buckets + b];
      bias_grad[b * p.num_heads + h] = sum;
    }
  }
}

// Calls dead(row) for the rows outside every unit.
template <class Dead>
void for_each_dead_row(const int32_t* offsets, int64_t num_units, int64_t num_rows,
                       const Dead& dead) {
  for (int64_t row = 0; row < offsets[0]; ++row) dead(row);
  for (int64_t row = offsets[num_units]; row < num_rows; ++row) dead(row);
}

template <class T>
void forward(const SegmentAttentionParams& p) {
  for_each_task(p, [&](const Task& t) { forward_task<T>(p, t); });
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) {
      zero_row<T>(p.out, row, h, p.head_dim);
      if (p.lse) static_cast<float*>(p.lse)[h * p.num_q_rows + row] = -kInfinity;
    }
  });
}

template <class T>
void backward(const SegmentAttentionGradParams& g) {
  const SegmentAttentionParams& p = g.forward;
  if (p.bias.table && g.bias_grad) {
    for_each_task_with_bias(
        p, static_cast<float*>(g.bias_grad),
        [&](const Task& t, float* bias_grad) { backward_task<T>(g, t, bias_grad); });
  } else {
    for_each_task(p, [&](const Task& t) { backward_task<T>(g, t, nullptr); });
  }
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) zero_row<T>(g.dq, row, h, p.head_dim);
  });
  for_each_dead_row(p.k_offsets, p.num_units, p.num_k_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) {
      zero_row<T>(g.dk, row, h, p.head_dim);
      zero_row<T>(g.dv, row, h, p.head_dim);
    }
  });
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  p.dtype == DType::kBfloat16 ? forward<Bf16>(p) : forward<float>(p);
}

void segment_attention_backward(const SegmentAttentionGradParams& g) {
  g.forward.dtype == DType::kBfloat16 ? backward<Bf16>(g) : backward<float>(g);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
