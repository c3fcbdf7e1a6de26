// One segment-attention problem for the kernel tests: its layout of units, its tensors as raw
// buffers of a dtype, and a runner that gives the results of any implementation as doubles. Outputs
// start as NaN, so elements that are not written show.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/bf16.h"
#include "kernels/lexical_bias.h"
#include "kernels/segment_attention.h"

namespace lait::kernels::testing {

inline const char* name(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "fp32";
    case DType::kBfloat16:
      return "bf16";
    case DType::kFloat64:
      return "fp64";
  }
  return "unknown";
}

inline DType accumulator(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

inline double rounded(double x, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return static_cast<float>(x);
    case DType::kBfloat16:
      return to_float(from_float<Bf16>(static_cast<float>(x)));
    case DType::kFloat64:
      return x;
  }
  return x;
}

// A flat tensor as bytes of a dtype.
class Buffer {
 public:
  Buffer() = default;
  Buffer(DType dtype, int64_t size)
      : dtype_(dtype), bytes_(static_cast<size_t>(size) * element_size(), '\xFF') {}  // NaN
  Buffer(DType dtype, const std::vector<double>& values)
      : Buffer(dtype, static_cast<int64_t>(values.size())) {
    for (size_t i = 0; i < values.size(); ++i) set(static_cast<int64_t>(i), values[i]);
  }
  int64_t size() const { return static_cast<int64_t>(bytes_.size() / element_size()); }
  void* at(int64_t i) { return bytes_.data() + static_cast<size_t>(i) * element_size(); }
  double get(int64_t i) const {
    const char* p = bytes_.data() + static_cast<size_t>(i) * element_size();
    switch (dtype_) {
      case DType::kFloat32:
        return *reinterpret_cast<const float*>(p);
      case DType::kBfloat16:
        return to_float(*reinterpret_cast<const Bf16*>(p));
      case DType::kFloat64:
        return *reinterpret_cast<const double*>(p);
    }
    return 0;
  }
  void set(int64_t i, double x) {
    switch (dtype_) {
      case DType::kFloat32:
        *static_cast<float*>(at(i)) = static_cast<float>(x);
        return;
      case DType::kBfloat16:
        *static_cast<Bf16*>(at(i)) = from_float<Bf16>(static_cast<float>(x));
        return;
      case DType::kFloat64:
        *static_cast<double*>(at(i)) = x;
        return;
    }
  }
  std::vector<double> values() const {
    std::vector<double> v(static_cast<size_t>(size()));
    for (int64_t i = 0; i < size(); ++i) v[static_cast<size_t>(i)] = get(i);
    return v;
  }
  bool operator==(const Buffer& other) const = default;

 private:
  size_t element_size() const {
    return dtype_ == DType::kFloat64 ? 8 : dtype_ == DType::kFloat32 ? 4 : 2;
  }
  DType dtype_ = DType::kFloat32;
  std::vector<char> bytes_;
};

struct Layout {
  std::string name;
  std::vector<int> lengths;
};

inline std::vector<Layout> short_layouts() {
  std::vector<int> ladder;
  for (int n = 1; n <= 17; ++n) ladder.push_back(n);
  return {{"none", {}},
          {"one_token", {1}},
          {"1_to_17", ladder},
          {"63_64_65", {63, 64, 65}},
          {"97", {97}},
          {"all_empty", {0, 0, 0}},
          {"empty_between", {0, 5, 0, 0, 33, 1, 0}}};
}
inline std::vector<Layout> long_layouts() {
  std::vector<int> tiny, mixed;
  for (int i = 0; i < 1000; ++i) tiny.push_back(1 + i * 7 % 5);
  for (int i = 0; i < 40; ++i) mixed.push_back(i == 23 ? 301 : 1 + i % 6);
  return {{"512", {512}}, {"1025", {1025}}, {"1000_tiny", tiny}, {"one_long_among_tiny", mixed}};
}

// What is switched on besides plain attention.
struct Variant {
  std::string name;
  bool bias = false, causal = false;
  float dropout = 0;
  bool first_row_only = false;  // queries: the first row of each unit, q_positions 0
  bool fused = false;           // q, k, v (and their gradients) lie in one (T, 3, H, D) tensor
  bool cross = false;           // numbers of queries and keys differ: more, fewer or none
  bool lexical = false;
};

inline std::vector<Variant> variants() {
  return {{.name = "plain"},
          {.name = "bias", .bias = true},
          {.name = "causal", .causal = true},
          {.name = "dropout", .dropout = 0.3f},
          {.name = "lexical", .lexical = true},
          {.name = "lexical_cross", .cross = true, .lexical = true},
          {.name = "lexical_first_row", .first_row_only = true, .lexical = true},
          {.name = "both_biases", .bias = true, .lexical = true},
          {.name = "first_row", .bias = true, .dropout = 0.1f, .first_row_only = true},
          {.name = "cross_causal", .bias = true, .causal = true, .cross = true},
          {.name = "fused_all",
           .bias = true,
           .causal = true,
           .dropout = 0.1f,
           .fused = true,
           .lexical = true}};
}

struct Problem {
  DType dtype = DType::kFloat32;
  int64_t heads = 1, dim = 32;
  Variant variant;
  std::vector<int32_t> q_offsets, k_offsets, q_positions, unit_ids;  // q_positions may be empty
  int64_t q_rows = 0, k_rows = 0;                                    // dead rows included
  std::vector<double> q, k, v, dout;  // (T, H, D), as the dtype holds them
  std::vector<double> table;          // (num_buckets, H) or empty
  std::vector<double> lexical;        // (H) or empty; then the words:
  std::vector<int32_t> q_words, k_words;
  float scale = 1;
  int32_t num_buckets = 32, max_distance = 20;
};

inline std::vector<double> random_values(int64_t size, DType dtype, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<size_t>(size));
  for (double& x : values) x = rounded(normal(random), dtype);
  return values;
}

// Words of `rows` rows in units of three segments, few tokens and some special ones. Dead rows have
// words, too, which nothing may read.
inline std::vector<int32_t> random_words(const std::vector<int32_t>& offsets, int64_t rows,
                                         std::mt19937_64& random) {
  std::vector<int32_t> words;
  for (int64_t t = 0; t < rows; ++t)
    words.push_back(word_of(static_cast<int32_t>(random() % 5), 0));
  for (size_t u = 0; u + 1 < offsets.size(); ++u) {
    const int32_t n = offsets[u + 1] - offsets[u];
    for (int32_t i = 0; i < n; ++i) {
      const bool special = random() % 6 == 0;
      words[static_cast<size_t>(offsets[u] + i)] =
          special ? kNoWord : word_of(static_cast<int32_t>(random() % 5), 3 * i / n);
    }
  }
  return words;
}

// `dead` rows lie before and after all units.
inline Problem make_problem(DType dtype, int64_t heads, int64_t dim, const Layout& layout,
                            const Variant& variant, uint64_t seed, int dead = 3) {
  std::mt19937_64 random(seed);
  Problem p;
  p.dtype = dtype;
  p.heads = heads;
  p.dim = dim;
  p.variant = variant;
  p.q_offsets = {dead};
  p.k_offsets = {dead};
  for (size_t u = 0; u < layout.lengths.size(); ++u) {
    const int n = layout.lengths[u];
    int m = n;
    if (variant.first_row_only) m = n > 0 ? 1 : 0;
    if (variant.cross) m = u % 3 == 0 ? n + 2 : u % 3 == 1 ? n / 2 : n;
    p.q_offsets.push_back(p.q_offsets.back() + m);
    p.k_offsets.push_back(p.k_offsets.back() + n);
    if (variant.first_row_only && m > 0) p.q_positions.push_back(0);
    p.unit_ids.push_back(static_cast<int32_t>(random()));
  }
  p.q_rows = p.q_offsets.back() + dead;
  p.k_rows = p.k_offsets.back() + dead;
  if (variant.first_row_only) {
    p.q_positions.insert(p.q_positions.begin(), static_cast<size_t>(dead), 0);
    p.q_positions.resize(static_cast<size_t>(p.q_rows), 0);
  }
  p.q = random_values(p.q_rows * heads * dim, dtype, random);
  p.k = random_values(p.k_rows * heads * dim, dtype, random);
  p.v = random_values(p.k_rows * heads * dim, dtype, random);
  p.dout = random_values(p.q_rows * heads * dim, dtype, random);
  if (variant.bias) p.table = random_values(p.num_buckets * heads, accumulator(dtype), random);
  if (variant.lexical) {
    p.lexical = random_values(heads, accumulator(dtype), random);
    p.q_words = random_words(p.q_offsets, p.q_rows, random);
    p.k_words = random_words(p.k_offsets, p.k_rows, random);
  }
  p.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
  return p;
}

struct Result {
  std::vector<double> out, lse, dq, dk, dv, dbias, dlexical;
};

using Forward = std::function<void(const SegmentAttentionParams&)>;
using Backward = std::function<void(const SegmentAttentionGradParams&)>;

// The tensors of one call, laid out in memory as the variant says.
class Call {
 public:
  Call(const Problem& p, ParallelFor parallel = nullptr) : p_(p) {
    const int64_t width = p.heads * p.dim;
    const bool fused = p.variant.fused;
    inputs_ = fused ? Buffer(p.dtype, interleave(p)) : Buffer();
    for (int i = 0; i < 3; ++i) {
      if (!fused) separate_[i] = Buffer(p.dtype, i == 0 ? p.q : i == 1 ? p.k : p.v);
      const int64_t row_count = i == 0 ? p.q_rows : p.k_rows;
      if (!fused) separate_gradients_[i] = Buffer(p.dtype, row_count * width);
    }
    if (fused) gradients_ = Buffer(p.dtype, p.k_rows * 3 * width);
    out_ = Buffer(p.dtype, p.q_rows * (width + 8));  // with gaps between rows, to check strides
    dout_ = Buffer(p.dtype, p.dout);
    lse_ = Buffer(accumulator(p.dtype), p.heads * p.q_rows);
    table_ = Buffer(accumulator(p.dtype), p.table);
    dbias_ = Buffer(accumulator(p.dtype), static_cast<int64_t>(p.table.size()));
    lexical_ = Buffer(accumulator(p.dtype), p.lexical);
    dlexical_ = Buffer(accumulator(p.dtype), static_cast<int64_t>(p.lexical.size()));
    SegmentAttentionParams& f = grad.forward;
    f.dtype = p.dtype;
    f.num_units = static_cast<int64_t>(p.unit_ids.size());
    f.num_heads = p.heads;
    f.head_dim = p.dim;
    f.num_q_rows = p.q_rows;
    f.num_k_rows = p.k_rows;
    f.scale = p.scale;
    f.causal = p.variant.causal;
    const int64_t stride = fused ? 3 * width : width;
    auto input = [&](int i) { return fused ? inputs_.at(i * width) : separate_[i].at(0); };
    auto gradient = [&](int i) {
      return fused ? gradients_.at(i * width) : separate_gradients_[i].at(0);
    };
    f.q = {input(0), stride, p.dim};
    f.k = {input(1), stride, p.dim};
    f.v = {input(2), stride, p.dim};
    grad.dq = {gradient(0), stride, p.dim};
    grad.dk = {gradient(1), stride, p.dim};
    grad.dv = {gradient(2), stride, p.dim};
    f.out = {out_.at(0), width + 8, p.dim};
    grad.dout = {dout_.at(0), width, p.dim};
    f.lse = lse_.at(0);
    f.q_offsets = p.q_offsets.data();
    f.k_offsets = p.k_offsets.data();
    f.q_positions = p.q_positions.empty() ? nullptr : p.q_positions.data();
    if (!p.table.empty()) {
      f.bias = {static_cast<const float*>(table_.at(0)), p.num_buckets, p.max_distance,
                /*bidirectional=*/!p.variant.causal};
      grad.bias_grad = dbias_.at(0);
    }
    if (!p.lexical.empty()) {
      f.lexical = {static_cast<const float*>(lexical_.at(0)), p.q_words.data(), p.k_words.data()};
      grad.lexical_grad = dlexical_.at(0);
    }
    if (p.variant.dropout > 0)
      f.dropout = {p.variant.dropout, 0x123456789ABCDEFull, 7, 5, Site::kAttention};
    f.unit_ids = p.unit_ids.data();
    f.parallel = parallel;
  }
  Call(const Call&) = delete;

  Result result() const {
    Result r;
    const int64_t width = p_.heads * p_.dim;
    const auto padded = out_.values();
    for (int64_t t = 0; t < p_.q_rows; ++t)
      r.out.insert(r.out.end(), &padded[static_cast<size_t>(t * (width + 8))],
                   &padded[static_cast<size_t>(t * (width + 8))] + width);
    r.lse = lse_.values();
    for (int i = 0; i < 3; ++i) {
      auto& to = i == 0 ? r.dq : i == 1 ? r.dk : r.dv;
      if (!p_.variant.fused) {
        to = separate_gradients_[i].values();
        continue;
      }
      for (int64_t t = 0; t < p_.k_rows; ++t) {
        for (int64_t c = 0; c < width; ++c) to.push_back(gradients_.get((t * 3 + i) * width + c));
      }
    }
    r.dbias = dbias_.values();
    r.dlexical = dlexical_.values();
    return r;
  }

  SegmentAttentionGradParams grad;

 private:
  static std::vector<double> interleave(const Problem& p) {
    const int64_t width = p.heads * p.dim;
    std::vector<double> all;
    for (int64_t t = 0; t < p.k_rows; ++t) {
      for (const auto* part : {&p.q, &p.k, &p.v}) {
        for (int64_t c = 0; c < width; ++c)
          all.push_back((*part)[static_cast<size_t>(t * width + c)]);
      }
    }
    return all;
  }

  const Problem& p_;
  Buffer inputs_, gradients_, separate_[3], separate_gradients_[3], out_, dout_, lse_, table_,
      dbias_, lexical_, dlexical_;
};

inline Result run(const Problem& p, const Forward& forward, const Backward& backward,
                  ParallelFor parallel = nullptr) {
  Call call(p, parallel);
  forward(call.grad.forward);
  backward(call.grad);
  return call.result();
}

}  // namespace lait::kernels::testing
