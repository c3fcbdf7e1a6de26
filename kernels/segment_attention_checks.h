// The checks of parameters that all implementations share; they throw with a message. Cost O(G).
#pragma once
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/segment_attention.h"

namespace lait::kernels {

[[noreturn]] inline void refuse(const std::string& what) {
  throw std::invalid_argument("segment_attention: " + what);
}

inline void check_offsets(const char* name, const int32_t* offsets, int64_t num_units,
                          int64_t num_rows) {
  if (offsets == nullptr) refuse(std::string(name) + " must not be null");
  int32_t before = 0;
  for (int64_t u = 0; u <= num_units; ++u) {
    if (offsets[u] < before || offsets[u] > num_rows) {
      refuse(std::string(name) + " must be non-decreasing within [0, " + std::to_string(num_rows) +
             "], got " + std::to_string(offsets[u]) + " after " + std::to_string(before) + " at [" +
             std::to_string(u) + "]");
    }
    before = offsets[u];
  }
}

inline void check_bias(const PositionBias& bias) {
  const int32_t least = bias.bidirectional ? 4 : 2;
  if (bias.num_buckets < least || bias.num_buckets % 2 != 0) {
    refuse("bias needs an even num_buckets >= " + std::to_string(least) +
           (bias.bidirectional ? " (bidirectional)" : " (causal)") + ", got " +
           std::to_string(bias.num_buckets));
  }
  const int32_t exact = bias.num_buckets / least;
  if (bias.max_distance <= exact) {
    refuse("bias.max_distance must be above " + std::to_string(exact) +
           " (the distances with a bucket of their own), got " + std::to_string(bias.max_distance));
  }
}

inline void check_lexical(const SegmentAttentionParams& p) {
  if (p.lexical.table == nullptr) return;
  if ((p.lexical.q_words == nullptr || p.lexical.k_words == nullptr) && p.num_units > 0)
    refuse("the lexical bias needs the words of queries and keys, got null");
  // The CPU adds it to the products, before they are scaled.
  if (p.scale == 0) refuse("the lexical bias needs a scale other than 0");
}

inline void check_head_dim(const SegmentAttentionParams& p) {
  const std::string problem = head_dim_problem(p.head_dim);
  if (!problem.empty()) refuse(problem);
}

inline void check_dropout(const SegmentAttentionParams& p) {
  if (!(p.dropout.p >= 0 && p.dropout.p < 1))
    refuse("dropout.p must be in [0, 1), got " + std::to_string(p.dropout.p));
  if (p.dropout.p > 0 && p.unit_ids == nullptr && p.num_units > 0)
    refuse("dropout needs unit_ids, got null");
}

inline void check_sources(const SegmentAttentionParams& p) {
  if (p.sources == nullptr || p.num_sources <= 0)
    refuse("keys in runs need sources, got " + std::to_string(p.num_sources) +
           (p.num_sources > 0 ? " at a null address" : ""));
  for (int64_t s = 0; s < p.num_sources; ++s) {
    if (p.sources[s].k == nullptr || p.sources[s].v == nullptr)
      refuse("sources must not be null, got null at [" + std::to_string(s) + "]");
  }
}

// Cost O(R). Whether a run lies within its source cannot be seen here.
inline void check_runs(const SegmentAttentionParams& p) {
  if (p.num_runs > 0) check_sources(p);
  check_offsets("run_offsets", p.run_offsets, p.num_units, p.num_runs);
  constexpr int64_t kMost = int64_t{1} << 31;  // more than a unit has; the sum cannot overflow
  for (int64_t u = 0; u < p.num_units; ++u) {
    int64_t keys = 0;
    for (int32_t r = p.run_offsets[u]; r < p.run_offsets[u + 1]; ++r) {
      const KeyRun& run = p.runs[r];
      const auto at = [&] { return " at run [" + std::to_string(r) + "]"; };
      if (run.source < 0 || run.source >= p.num_sources) {
        refuse("a run's source must be in [0, " + std::to_string(p.num_sources) + "), got " +
               std::to_string(run.source) + at());
      }
      if (run.length < 0 || run.offset < 0) {
        refuse("a run's offset and length must not be negative, got " + std::to_string(run.offset) +
               " and " + std::to_string(run.length) + at());
      }
      keys += std::min(run.length, kMost);
    }
    if (keys != p.k_offsets[u + 1] - p.k_offsets[u]) {
      refuse("the runs of unit " + std::to_string(u) + " have " + std::to_string(keys) +
             " keys, k_offsets say " + std::to_string(p.k_offsets[u + 1] - p.k_offsets[u]));
    }
  }
}

inline void check_no_runs(const SegmentAttentionParams& p) {
  if (p.runs) refuse("backward needs keys one after another, got keys in runs");
}

inline void check_lse(const SegmentAttentionParams& p) {
  if (p.lse == nullptr) refuse("backward needs lse, got null");
}

inline void check_params(const SegmentAttentionParams& p) {
  check_head_dim(p);
  check_offsets("q_offsets", p.q_offsets, p.num_units, p.num_q_rows);
  check_offsets("k_offsets", p.k_offsets, p.num_units,
                p.runs ? std::numeric_limits<int32_t>::max() : p.num_k_rows);
  if (p.runs) check_runs(p);
  if (p.bias.table) check_bias(p.bias);
  check_lexical(p);
  check_dropout(p);
  if (p.dropout.p == 0) return;
  constexpr int64_t kPositions = int64_t{1} << 16;  // bits of the generator's counter
  for (int64_t u = 0; u < p.num_units; ++u) {
    const int64_t keys = p.k_offsets[u + 1] - p.k_offsets[u];
    if (keys > kPositions) {
      refuse("dropout counts positions below " + std::to_string(kPositions) + ", got a unit of " +
             std::to_string(keys) + " keys");
    }
  }
}

inline void check_grad_params(const SegmentAttentionGradParams& g) {
  check_no_runs(g.forward);
  check_params(g.forward);
  check_lse(g.forward);
}

}  // namespace lait::kernels
