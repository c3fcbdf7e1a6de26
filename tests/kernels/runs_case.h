// Keys in runs for the kernel tests: the keys of a problem scattered over sources, and cut into
// runs at random. Attention over them must equal attention over the problem's own rows, bit by bit.
#pragma once
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

// The rows of units [0, G) in pieces: each piece in a source, at an odd place there. A piece that
// two units share lies there once.
class Runs {
 public:
  struct Settings {
    int sources = 3;
    int longest = 20;       // rows of a run; runs of 0 and 1 rows are frequent
    int64_t alignment = 1;  // of a run's first row, in elements
  };
  Runs(const Problem& p, uint64_t seed, const Settings& settings) : width_(p.heads * p.dim) {
    std::mt19937_64 random(seed);
    auto up_to = [&](int64_t most) { return static_cast<int64_t>(random() % (most + 1)); };
    std::vector<std::vector<double>> values(static_cast<size_t>(settings.sources));
    // Each source has its own stride of rows: keys, values, and a gap.
    for (int s = 0; s < settings.sources; ++s)
      strides_.push_back(2 * width_ + settings.alignment * up_to(3) * 3);
    offsets_ = {0};
    for (size_t u = 0; u + 1 < p.k_offsets.size(); ++u) {
      for (int32_t row = p.k_offsets[u]; row < p.k_offsets[u + 1] || up_to(3) == 0;) {
        const int64_t kind = up_to(3), left = p.k_offsets[u + 1] - row;
        const int64_t length = std::min(left, kind == 0   ? 0
                                              : kind == 1 ? 1
                                                          : up_to(settings.longest));
        const auto s = static_cast<size_t>(up_to(settings.sources - 1));
        auto& to = values[s];
        const int64_t gap = settings.alignment * up_to(5);
        to.resize((to.size() + static_cast<size_t>(settings.alignment - 1)) /
                          static_cast<size_t>(settings.alignment) *
                          static_cast<size_t>(settings.alignment) +
                      static_cast<size_t>(gap),
                  kNan);
        runs_.push_back({static_cast<int64_t>(s), static_cast<int64_t>(to.size()), length});
        for (int64_t i = 0; i < length; ++i, ++row) {
          const size_t end = to.size() + static_cast<size_t>(strides_[s]);
          for (const auto* part : {&p.k, &p.v})
            to.insert(to.end(), part->begin() + row * width_, part->begin() + (row + 1) * width_);
          to.resize(end, kNan);
        }
      }
      offsets_.push_back(static_cast<int32_t>(runs_.size()));
    }
    // A whole row after the last one, so that a source may be copied by rows from its values on.
    for (auto& v : values) v.resize(v.size() + static_cast<size_t>(2 * width_), kNan);
    for (const auto& v : values) buffers_.emplace_back(p.dtype, v);
    for (size_t s = 0; s < buffers_.size(); ++s)
      sources_.push_back({buffers_[s].at(0), buffers_[s].at(width_), strides_[s]});
    if (runs_.empty()) runs_.reserve(1);  // an address that is not null
    dim_ = p.dim;
  }

  // Lets the call read its keys from here.
  void put(SegmentAttentionParams& f) {
    f.k = f.v = {nullptr, 0, dim_};
    f.num_k_rows = 0;
    f.runs = runs_.data();
    f.run_offsets = offsets_.data();
    f.num_runs = static_cast<int64_t>(runs_.size());
    f.sources = sources_.data();
    f.num_sources = static_cast<int64_t>(sources_.size());
  }

 private:
  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  int64_t width_, dim_ = 0;
  std::vector<int64_t> strides_;
  std::vector<KeyRun> runs_;
  std::vector<int32_t> offsets_;
  std::vector<Buffer> buffers_;
  std::vector<KeySource> sources_;
};

// The results of forward with the problem's rows as they are, and in runs.
inline void expect_runs_change_no_bit(const Problem& p, uint64_t seed,
                                      const Runs::Settings& settings, const Forward& forward) {
  Call in_order(p), in_runs(p);
  Runs runs(p, seed, settings);
  runs.put(in_runs.grad.forward);
  forward(in_order.grad.forward);
  forward(in_runs.grad.forward);
  EXPECT_EQ(in_runs.result().out, in_order.result().out);
  EXPECT_EQ(in_runs.result().lse, in_order.result().lse);
}

}  // namespace lait::kernels::testing
