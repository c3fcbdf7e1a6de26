// A second, independent implementation of segment attention for the tests: for each query, the keys
// that a mask over all (Tq, Tk) pairs leaves, and softmax with its full Jacobian, in a chosen
// precision. It shares only Philox and the bucket with kernels/, which have their own tests.
// Whether words match is decided as they are defined, by token and segment.
#pragma once
#include <vector>

#include "kernels/lexical_bias.h"
#include "kernels/philox.h"
#include "kernels/position_bias.h"
#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

inline bool same_token_of_other_segment(int32_t q, int32_t k) {
  constexpr int32_t kSegments = kMaxWordSegments;
  return q >= 0 && k >= 0 && q / kSegments == k / kSegments && q % kSegments != k % kSegments;
}

// Real: the arithmetic; `tensors`: what every intermediate tensor (scores, probabilities, their
// gradients) is rounded to, as a chain of operators in that dtype would do; `delta_from_out`: the
// sum of p dp is taken as out . dout with rounded out, as FlashAttention does.
template <class Real>
Result explicit_attention(const Problem& p, DType tensors, bool delta_from_out) {
  auto round = [&](Real x) { return static_cast<Real>(rounded(static_cast<double>(x), tensors)); };
  auto unit_of = [](const std::vector<int32_t>& offsets, int64_t rows) {
    std::vector<int> unit(static_cast<size_t>(rows), -1);
    for (size_t u = 0; u + 1 < offsets.size(); ++u) {
      for (int t = offsets[u]; t < offsets[u + 1]; ++t)
        unit[static_cast<size_t>(t)] = static_cast<int>(u);
    }
    return unit;
  };
  const auto q_unit = unit_of(p.q_offsets, p.q_rows), k_unit = unit_of(p.k_offsets, p.k_rows);
  const int64_t width = p.heads * p.dim;
  const Real zero = 0;
  std::vector<Real> dk(p.k.size(), zero), dv(p.k.size(), zero), dbias(p.table.size(), zero),
      dlexical(p.lexical.size(), zero);
  Result r;
  r.out.assign(p.q.size(), 0);
  r.dq.assign(p.q.size(), 0);
  r.lse.assign(static_cast<size_t>(p.heads * p.q_rows), -std::numeric_limits<double>::infinity());
  const Real keep_scale = static_cast<Real>(1.0 / (1.0 - static_cast<double>(p.variant.dropout)));
  for (int64_t h = 0; h < p.heads; ++h) {
    for (int64_t t = 0; t < p.q_rows; ++t) {
      const int unit = q_unit[static_cast<size_t>(t)];
      if (unit < 0) continue;
      const int m = p.q_offsets[unit + 1] - p.q_offsets[unit],
                n = p.k_offsets[unit + 1] - p.k_offsets[unit];
      const int position = p.q_positions.empty() ? n - m + static_cast<int>(t) - p.q_offsets[unit]
                                                 : p.q_positions[static_cast<size_t>(t)];
      const double* q = &p.q[static_cast<size_t>(t * width + h * p.dim)];
      const double* dout = &p.dout[static_cast<size_t>(t * width + h * p.dim)];
      struct Pair {
        int64_t row;
        int bucket;
        Real factor, probability;
        bool matches = false;
      };
      std::vector<Pair> pairs;
      Real max = -std::numeric_limits<Real>::infinity(), sum = 0;
      for (int64_t s = 0; s < p.k_rows; ++s) {
        const int j = static_cast<int>(s) - p.k_offsets[unit];
        if (k_unit[static_cast<size_t>(s)] != unit || (p.variant.causal && j > position)) continue;
        Real dot = 0;
        for (int64_t d = 0; d < p.dim; ++d)
          dot += static_cast<Real>(q[d]) *
                 static_cast<Real>(p.k[static_cast<size_t>(s * width + h * p.dim + d)]);
        Pair pair{s, 0, 1, round(static_cast<Real>(p.scale) * round(dot))};
        if (!p.table.empty()) {
          pair.bucket =
              position_bucket(j - position, p.num_buckets, p.max_distance, !p.variant.causal);
          pair.probability =
              round(pair.probability +
                    static_cast<Real>(p.table[static_cast<size_t>(pair.bucket * p.heads + h)]));
        }
        if (!p.lexical.empty() && same_token_of_other_segment(p.q_words[static_cast<size_t>(t)],
                                                              p.k_words[static_cast<size_t>(s)])) {
          pair.matches = true;
          pair.probability =
              round(pair.probability + static_cast<Real>(p.lexical[static_cast<size_t>(h)]));
        }
        if (p.variant.dropout > 0) {
          const auto words =
              philox(7, static_cast<uint32_t>(p.unit_ids[static_cast<size_t>(unit)]),
                     static_cast<uint32_t>(position) << 16 | static_cast<uint32_t>(j / 4),
                     5u << 24 | static_cast<uint32_t>(h) << 16 | 1u << 8, 0x89ABCDEFu, 0x01234567u);
          const double threshold =
              std::floor(static_cast<double>(p.variant.dropout) * 4294967296.0 + 0.5);
          pair.factor = words.word[j % 4] >= threshold ? keep_scale : zero;
        }
        max = std::max(max, pair.probability);
        pairs.push_back(pair);
      }
      if (pairs.empty()) continue;
      for (Pair& pair : pairs) sum += pair.probability = std::exp(pair.probability - max);
      r.lse[static_cast<size_t>(h * p.q_rows + t)] = static_cast<double>(max + std::log(sum));
      Real weighted = 0;
      std::vector<Real> out(static_cast<size_t>(p.dim), zero), dq(static_cast<size_t>(p.dim), zero),
          dp;
      for (Pair& pair : pairs) {
        pair.probability = round(pair.probability / sum);
        const Real dropped = round(pair.probability * pair.factor);
        const double* v = &p.v[static_cast<size_t>(pair.row * width + h * p.dim)];
        Real gradient = 0;
        for (int64_t d = 0; d < p.dim; ++d) {
          out[static_cast<size_t>(d)] += dropped * static_cast<Real>(v[d]);
          gradient += static_cast<Real>(dout[d]) * static_cast<Real>(v[d]);
          dv[static_cast<size_t>(pair.row * width + h * p.dim + d)] +=
              dropped * static_cast<Real>(dout[d]);
        }
        dp.push_back(round(round(gradient) * pair.factor));
        weighted += pair.probability * dp.back();
      }
      if (delta_from_out) {
        weighted = 0;
        for (size_t d = 0; d < out.size(); ++d)
          weighted += round(out[d]) * static_cast<Real>(dout[d]);
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        const Real ds = round(pairs[i].probability * (dp[i] - weighted));
        if (!p.table.empty()) dbias[static_cast<size_t>(pairs[i].bucket * p.heads + h)] += ds;
        if (pairs[i].matches) dlexical[static_cast<size_t>(h)] += ds;
        const Real scaled = round(ds * static_cast<Real>(p.scale));
        const size_t key = static_cast<size_t>(pairs[i].row * width + h * p.dim);
        for (size_t d = 0; d < static_cast<size_t>(p.dim); ++d) {
          dq[d] += scaled * static_cast<Real>(p.k[key + d]);
          dk[key + d] += scaled * static_cast<Real>(q[d]);
        }
      }
      for (size_t d = 0; d < static_cast<size_t>(p.dim); ++d) {
        r.out[static_cast<size_t>(t * width + h * p.dim) + d] = static_cast<double>(round(out[d]));
        r.dq[static_cast<size_t>(t * width + h * p.dim) + d] = static_cast<double>(round(dq[d]));
      }
    }
  }
  for (Real x : dk) r.dk.push_back(static_cast<double>(round(x)));
  for (Real x : dv) r.dv.push_back(static_cast<double>(round(x)));
  for (Real x : dbias) r.dbias.push_back(static_cast<double>(x));
  for (Real x : dlexical) r.dlexical.push_back(static_cast<double>(x));
  return r;
}

inline Result explicit_attention(const Problem& p, bool delta_from_out = false) {
  return p.dtype == DType::kFloat64 ? explicit_attention<double>(p, DType::kFloat64, delta_from_out)
                                    : explicit_attention<float>(p, p.dtype, delta_from_out);
}

}  // namespace lait::kernels::testing
